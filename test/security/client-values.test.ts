import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLegacyStores } from '../../src/legacy/index.ts'
import {
  createSessionStore,
  createUploadHandler,
  ingestSessionLog,
  migrate,
} from '../../src/server/index.ts'
import { contentResponse } from '../../src/server/uploads/handler/content-response.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

/** Values from a client that could become a path or a header. */

const principal = { tenantId: 'acme', userId: 'mallory' }
let database: TestDatabase
let pool: Pool
let directory: string
beforeAll(async () => {
  database = await freshDatabase()
  await migrate({ database: database.url })
  pool = new Pool({ connectionString: database.url })
  directory = await mkdtemp(join(tmpdir(), 'session-db-secret-'))
})
afterAll(async () => {
  await pool.end()
  await database.drop()
  await rm(directory, { recursive: true })
})

describe('the source path of a session', () => {
  const session = { title: 'x', sourcePath: '/etc/passwd' }

  test('is refused in every way to write a session', async () => {
    const store = createSessionStore({ database: pool })
    const write = (mutation: object) =>
      store.write(principal, { id: randomUUID(), mutations: [mutation] })
    const refused = { code: 'invalid' }
    const value = { id: 'insert', ...session }
    await expect(write({ collection: 'sessions', type: 'insert', value })).rejects.toMatchObject(
      refused,
    )
    await expect(store.createSession(principal, { ...session, id: 'c' })).rejects.toMatchObject(
      refused,
    )
    const own = { id: 'own', title: 'x' }
    await write({ collection: 'sessions', type: 'insert', value: own })
    const { sourcePath } = session
    const update = { collection: 'sessions', type: 'update', id: 'own', changes: { sourcePath } }
    await expect(write(update)).rejects.toMatchObject(refused)
    const handler = createUploadHandler({ store, basePath: '/up', authenticate: () => principal })
    const metadata = Buffer.from(JSON.stringify({ id: 'tus', ...session })).toString('base64')
    const response = await handler(
      new Request('http://app.test/up', {
        method: 'POST',
        headers: {
          'tus-resumable': '1.0.0',
          'upload-length': '1',
          'upload-metadata': `session ${metadata}`,
        },
      }),
    )
    expect(response.status).toBe(400)
    const { rows } = await pool.query('SELECT id, source_path FROM sessions ORDER BY id')
    expect(rows).toEqual([{ id: 'own', source_path: null }])
  })

  test('of a row that an attacker could have written is not read', async () => {
    const secret = join(directory, 'secret')
    await writeFile(secret, 'secret')
    const store = createSessionStore({ database: pool })
    const legacy = createLegacyStores({ store, principal })
    const { id } = await legacy.saveSessionUpload('a.jsonl', '{}\n')
    await pool.query('UPDATE sessions SET source_path = $2 WHERE id = $1', [id, secret])
    await expect(legacy.refreshSessionUploadFromSource(id)).rejects.toMatchObject({
      code: 'forbidden',
    })
    expect(await legacy.getSessionUploadContent(id)).toBe('{}\n')
  })
})

test.each([
  'a"\r\nset-cookie: x=1\r\n.jsonl',
  '../../etc/passwd',
  '"; filename=evil.html; x="',
  "a'b.html",
  '\u2028日本\t;',
])('the file name %j stays inside its header', async (originalName) => {
  const response = await contentResponse(new Request('http://app.test/'), async () => ({
    ...{ totalBytes: 0, tag: 'a'.repeat(64), name: originalName },
    body: (async function* () {})(),
  }))
  const header = response.headers.get('content-disposition') ?? ''
  expect(header).toMatch(/^attachment; filename\*=UTF-8''[A-Za-z0-9%.!~*()_-]+$/)
  expect(decodeURIComponent(header.split("''")[1] ?? '')).toBe(originalName)
  expect(response.headers.get('set-cookie')).toBeNull()
})

/** Names in which each limit of a name's length is between the halves of an emoji. */
const emojiNames = [0, 1].map((shift) => 'x'.repeat(shift) + '😀'.repeat(1_200))

test.each(emojiNames)('a long name of emoji is cut between characters (%#)', async (name) => {
  const store = createSessionStore({ database: pool })
  const handler = createUploadHandler({ store, basePath: '/up', authenticate: () => principal })
  const create = (metadata: string, path = '') =>
    handler(
      new Request(`http://app.test/up${path}`, {
        method: 'POST',
        headers: { 'tus-resumable': '1.0.0', 'upload-length': '1', 'upload-metadata': metadata },
      }),
    )
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  expect((await create(`filename ${base64(name)}`)).status).toBe(201)
  const legacy = createLegacyStores({ store, principal })
  await legacy.saveSessionUpload(name, '{}\n')
  const [sessionId, threadId] = [randomUUID(), randomUUID()]
  const insert = (collection: string, value: object) => ({ collection, type: 'insert', value })
  await store.write(principal, {
    id: randomUUID(),
    mutations: [
      insert('sessions', { id: sessionId, title: 'x' }),
      insert('chatThreads', { id: threadId, sessionId, mode: 'session', title: 'x' }),
    ] as never,
  })
  const attachment = `thread ${base64(threadId)},filename ${base64(name)}`
  const attached = await create(attachment, '/attachments')
  expect(attached.status).toBe(201)
  const stored = await ingestSessionLog(pool, principal, {
    id: randomUUID(),
    originalName: name,
    stream: (async function* () {
      yield Buffer.from(codexLine(name))
    })(),
  })
  const { rows } = await pool.query(
    `SELECT title AS text FROM sessions UNION SELECT original_name FROM sessions
     UNION SELECT name FROM chat_attachments UNION SELECT title FROM timeline_events
     UNION SELECT text FROM timeline_events WHERE session_id = $1`,
    [stored.sessionId],
  )
  const texts = rows.map(({ text }) => String(text)).filter((text) => text.includes('😀'))
  expect(texts.length).toBeGreaterThan(2)
  for (const text of texts) expect(text).not.toMatch(/[\uFFFD\p{Surrogate}]/u)
})

/** A line of a log in which an agent runs a command with this name. */
function codexLine(name: string): string {
  const payload = {
    type: 'function_call',
    name: 'shell',
    arguments: JSON.stringify({ command: ['cat', name] }),
    call_id: 'c',
  }
  const meta = { type: 'session_meta', payload: { id: randomUUID(), cwd: '/w' } }
  const at = '2025-01-01T00:00:00.000Z'
  return [meta, { type: 'response_item', payload }]
    .map((line) => JSON.stringify({ timestamp: at, ...line }))
    .join('\n')
}
