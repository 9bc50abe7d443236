import * as fs from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { guardLegacyFiles } from '../../../src/legacy/guard/guard-legacy-files.ts'

let directory: string
let lines: string[]
let release: () => void = () => {}
const log = (line: string) => void lines.push(line)

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'session-db-guard-'))
  lines = []
})
afterEach(() => {
  release()
  rmSync(directory, { recursive: true })
})

test('refuses every way to read or write a snapshot, and logs the caller', async () => {
  const path = join(directory, 'chat-threads.json')
  fs.writeFileSync(path, '[]')
  release = guardLegacyFiles({ refuse: true, log })
  expect(() => fs.readFileSync(path)).toThrow('chat history is in the database')
  expect(() => fs.createWriteStream(path)).toThrow('Refused')
  await expect(readFile(path)).rejects.toMatchObject({ code: 'forbidden' })
  await expect(writeFile(path, '[1]')).rejects.toMatchObject({ code: 'forbidden' })
  const error = await new Promise((resolve) => fs.readFile(path, resolve))
  expect(error).toMatchObject({ code: 'forbidden' })
  const temporary = join(directory, 'tmp')
  fs.writeFileSync(temporary, 'x')
  expect(() => fs.renameSync(temporary, path)).toThrow('Refused')
  expect(lines).toHaveLength(6)
  expect(lines[0]).toContain('guard-legacy-files.test.ts')
  release()
  expect(fs.readFileSync(path, 'utf8')).toBe('[]')
})

test('only logs without `refuse`, and ignores other files', async () => {
  const path = join(directory, 'chat-messages.json')
  release = guardLegacyFiles({ refuse: false, log })
  await writeFile(path, '[]')
  expect(await readFile(path, 'utf8')).toBe('[]')
  expect(lines).toHaveLength(2)
  await writeFile(join(directory, 'todos.json'), '[]')
  expect(lines).toHaveLength(2)
})

test('refuses in production by default', () => {
  const before = process.env.NODE_ENV
  process.env.NODE_ENV = 'production'
  try {
    release = guardLegacyFiles({ log })
    expect(() => fs.readFileSync('data/chat-threads.json')).toThrow('Refused')
  } finally {
    process.env.NODE_ENV = before
  }
})

test.each([
  ['parts', () => `${['chat', 'threads'].join('-')}.${'json'}`],
  ['a template', (kind = 'messages') => `chat-${kind}.json`],
  ['a name of another module', (name = 'chat-tool-events') => `${name}.json`],
])('refuses a path put together at run time: %s', (_how, name) => {
  release = guardLegacyFiles({ refuse: true, log })
  expect(() => fs.readFileSync(join(directory, name()))).toThrow('Refused')
})
