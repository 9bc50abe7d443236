import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type JsonElement, readJsonArray } from '../../../src/legacy/import/json-array-file.ts'
import { fc } from '../../support/property.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'session-db-json-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function read(text: string, chunkBytes: number): Promise<JsonElement[]> {
  const path = join(directory, 'array.json')
  await writeFile(path, text)
  const elements: JsonElement[] = []
  for await (const some of readJsonArray(path, { chunkBytes })) elements.push(...some)
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

test('elements are told apart wherever the file is cut into pieces', async () => {
  const property = fc.asyncProperty(
    fc.array(fc.tuple(space, value, space)),
    fc.integer({ min: 1, max: 9 }),
    async (elements, chunkBytes) => {
      const texts = elements.map(([before, element, after]) => ({
        around: `${before}${JSON.stringify(element, null, before.length)}${after}`,
        element: JSON.parse(JSON.stringify(element)),
      }))
      const found = await read(`[${texts.map(({ around }) => around).join(',')}]`, chunkBytes)
      expect(found.map(({ index }) => index)).toEqual(texts.map((_, index) => index))
      expect(found.map((one) => one.value)).toEqual(texts.map(({ element }) => element))
      expect(found.map(({ bytes }) => bytes.toString().trim())).toEqual(
        texts.map(({ around }) => around.trim()),
      )
    },
  )
  await fc.assert(property, { numRuns: 60 })
})

test('thousands of broken records are told by line and column in one more reading of the file', async () => {
  const lines = Array.from({ length: 3_000 }, (_, n) => (n % 3 === 0 ? `{"é": ${n}}` : `{"é": no}`))
  const text = `[\n${lines.join(',\n')}\n]`
  const path = join(directory, 'broken.json')
  await writeFile(path, text)
  let readAgain = 0
  const problems = new Map<number, string>()
  const onPositionBytes = (count: number) => {
    readAgain += count
  }
  for await (const some of readJsonArray(path, { salvage: true, onPositionBytes })) {
    for (const { index, problem } of some) if (problem !== undefined) problems.set(index, problem)
  }
  expect(problems.size).toBe(2_000)
  for (const [index, problem] of problems) {
    expect(problem).toBe(`is not JSON from line ${index + 2}, column 7 on`)
  }
  expect(readAgain).toBeLessThanOrEqual(Buffer.byteLength(text))
})
