import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type JsonElement,
  type ReadJsonArrayOptions,
  readJsonArray,
} from '../../../src/legacy/import/json-array.ts'
import { cases, fc } from '../../support/property.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'session-db-json-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function read(text: string, options: ReadJsonArrayOptions): Promise<JsonElement[]> {
  const path = join(directory, 'array.json')
  await writeFile(path, text)
  const elements: JsonElement[] = []
  for await (const some of readJsonArray(path, options)) elements.push(...some)
  return elements
}

const space = fc.constantFrom('', ' ', '\n  ', '\r\n', '\t')
const text = fc.array(fc.constantFrom('\\', '"', '\\"', '[', ']', '{', '}', ',', 'é', '😀', 'a'))
const value = fc.oneof(
  fc.jsonValue(),
  text.map((parts) => parts.join('')),
  fc.dictionary(
    text.map((parts) => parts.join('')),
    fc.jsonValue(),
  ),
)

test('finds every element in chunks of any size, and when it salvages', async () => {
  const property = fc.asyncProperty(
    fc.array(fc.tuple(space, value, space)),
    fc.oneof(
      fc.integer({ min: 1, max: 9 }).map((chunkBytes) => ({ chunkBytes })),
      fc.constant({ salvage: true }),
    ),
    async (elements, options) => {
      const texts = elements.map(([before, element, after]) => ({
        around: `${before}${JSON.stringify(element, null, before.length)}${after}`,
        element: JSON.parse(JSON.stringify(element)),
      }))
      const file = `[${texts.map(({ around }) => around).join(',')}]`
      const found = await read(file, options)
      expect(found.map(({ index }) => index)).toEqual(texts.map((_, index) => index))
      expect(found.map((one) => one.value)).toEqual(texts.map(({ element }) => element))
      expect(found.map(({ bytes }) => bytes.toString().trim())).toEqual(
        texts.map(({ around }) => around.trim()),
      )
      for (const { start, bytes } of found) {
        expect(Buffer.from(file).subarray(start, start + bytes.length)).toEqual(bytes)
      }
    },
  )
  await fc.assert(property, { numRuns: cases(60, 600) })
})

test('reports line and column of thousands of broken records', async () => {
  const lines = Array.from({ length: 3_000 }, (_, n) => (n % 3 === 0 ? `{"é": ${n}}` : `{"é": no}`))
  const elements = await read(`[\n${lines.join(',\n')}\n]`, { salvage: true })
  const problems = elements.flatMap(({ index, problem }) =>
    problem === undefined ? [] : [[index, problem] as const],
  )
  expect(problems).toHaveLength(2_000)
  for (const [index, problem] of problems) {
    expect(problem).toBe(`is not valid JSON at line ${index + 2}, column 7`)
  }
})

test('reports the same line and column for a broken file with and without salvage', async () => {
  const property = fc.asyncProperty(
    fc.array(fc.tuple(space, value), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('nope', '"', '{', '}', '1 2', ',', '{"a" 1}', ']', '"\\x"', '01'),
    fc.integer({ min: 1, max: 200 }),
    async (elements, broken, chunkBytes) => {
      const before = elements.map(([around, element]) => around + JSON.stringify(element))
      const file = `[${[...before, broken].join(',')},1]`
      const salvaged = await read(file, { salvage: true })
      const problem = salvaged.find((element) => element.problem !== undefined)?.problem
      await expect(read(file, { chunkBytes })).rejects.toThrow(
        problem ?? 'salvage found no problem',
      )
    },
  )
  await fc.assert(property, { numRuns: cases(100, 1_000) })
})
