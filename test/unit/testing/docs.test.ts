import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')

/** Code without what the formatter decides, and without where it is imported from. */
function bare(code: string): string {
  return code
    .replaceAll(/from '[^']*'/g, 'from …')
    .replaceAll(/[\s;]+/g, ' ')
    .replaceAll(/,? ([)}\]])/g, '$1')
    .replaceAll(/([({[]) /g, '$1')
    .trim()
}

test('every example of the testing guide is in a test', async () => {
  const guide = await readFile(join(root, 'docs/testing.md'), 'utf8')
  const tests = bare(await readFile(join(import.meta.dirname, 'app-test.test.ts'), 'utf8'))
  const examples = [...guide.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = '']) => bare(code))
  expect(examples.length).toBeGreaterThan(9)
  expect(examples.filter((example) => !tests.includes(example))).toEqual([])
})
