import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')
const pages = [
  ...(await readdir(root)),
  ...(await readdir(join(root, 'docs'), { recursive: true }))
    .filter((name) => !name.startsWith('api/'))
    .map((name) => `docs/${name}`),
  'examples/start-app/README.md',
].filter((name) => name.endsWith('.md'))

/** Anchors that GitHub derives from headings. */
function anchorsIn(text: string): string[] {
  const headings = text.replaceAll(/^```.*?^```/gms, '').match(/^#+ .*$/gm) ?? []
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test.each(pages)('%s: every link within the repository leads somewhere', async (page) => {
  const text = await readFile(join(root, page), 'utf8')
  const prose = text.replaceAll(/^\s*```.*?^\s*```/gms, '').replaceAll(/`[^`\n]*`/g, '')
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  const broken: string[] = []
  for (const link of links.filter((target) => !/^[a-z]+:/.test(target))) {
    const [path = '', anchor] = link.split('#')
    const file = path === '' ? join(root, page) : join(root, dirname(page), path)
    if (!existsSync(file)) broken.push(link)
    else if (anchor !== undefined && !anchorsIn(await readFile(file, 'utf8')).includes(anchor)) {
      broken.push(link)
    }
  }
  expect(broken).toEqual([])
})
