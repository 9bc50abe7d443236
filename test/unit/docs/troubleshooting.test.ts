import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')

/** All string literals of the source. Literals joined with `+` are concatenated. */
async function sourceTexts(): Promise<string> {
  const files = await readdir(join(root, 'src'), { recursive: true })
  const sources = await Promise.all(
    files
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFile(join(root, 'src', file), 'utf8')),
  )
  return sources
    .join('\n')
    .replaceAll(/(['`])\s*\+\s*\n?\s*['`]/g, '')
    .replaceAll('\\`', '`')
}

/** The constant parts of a message, in order. */
const fixedParts = (message: string): string[] =>
  message.split('…').flatMap((part) => (/[A-Za-z]{2}/.test(part) ? [part.trim()] : []))

test('every message in docs/troubleshooting.md is in the source', async () => {
  const page = await readFile(join(root, 'docs/troubleshooting.md'), 'utf8')
  const messages = [...page.matchAll(/^```text\n(.*?)\n```/gms)].map(([, text = '']) => text)
  const source = await sourceTexts()
  expect(messages.length).toBeGreaterThan(15)
  const strange = messages
    .flatMap(fixedParts)
    // The status is interpolated in the source.
    .flatMap((part) => part.split(/ (?=\d{3}\. )/))
    .map((part) => part.replace(/^\d{3}\. /, ''))
    .filter((part) => !source.includes(part))
  expect(strange).toEqual([])
})
