import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')
const typeTests = join(root, 'test/types')

/** What a file of type tests says something about: `entry name` for each `expectTypeOf(name…`. */
async function testedIn(file: string): Promise<string[]> {
  const text = await readFile(join(typeTests, file), 'utf8')
  const subjects = new Set(
    [...text.matchAll(/expectTypeOf\(\s*([\w.]+)/g)].map(([, subject]) => subject),
  )
  return [...text.matchAll(/^import (?!type)(.*?) from '@org\/session-db(.*?)'/gms)].flatMap(
    ([, imported = '', path = '']) => {
      const entry = path === '' ? 'index' : path.slice(1)
      const [, namespace] = /^\* as (\w+)$/.exec(imported) ?? []
      if (namespace === undefined) {
        const names = (imported.match(/(?:type )?\w+/g) ?? []).filter((name) => subjects.has(name))
        return names.map((name) => `${entry} ${name}`)
      }
      return [...subjects]
        .filter((subject) => subject?.startsWith(`${namespace}.`))
        .map((subject) => `${entry} ${subject?.slice(namespace.length + 1)}`)
    },
  )
}

const files = (await readdir(typeTests)).filter((file) => file.endsWith('.test-d.ts'))
const tested = new Set((await Promise.all(files.map(testedIn))).flat())
const reports = (await readdir(join(root, 'api'))).filter((file) => file.endsWith('.api.md'))

describe('every public function has a type test', () => {
  test.each(reports)('%s', async (report) => {
    const entry = report.replace('.api.md', '')
    const text = await readFile(join(root, 'api', report), 'utf8')
    const callable = [...text.matchAll(/^export (?:function|class) (\w+)/gm)].map(
      ([, name]) => name as string,
    )
    expect(callable.length).toBeGreaterThan(0)
    expect(callable.filter((name) => !tested.has(`${entry} ${name}`))).toEqual([])
  })
})

test('every file of type tests also holds what must not compile', async () => {
  const texts = await Promise.all(
    files.map(async (file) => [file, await readFile(join(typeTests, file), 'utf8')] as const),
  )
  const without = texts.filter(([, text]) => !text.includes('// @ts-expect-error'))
  expect(without.map(([file]) => file)).toEqual(['server-again.test-d.ts'])
})
