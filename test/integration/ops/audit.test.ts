import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportData } from '../../../src/legacy/index.ts'
import { eraseUser, listAudit, runRetention } from '../../../src/ops/index.ts'
import { createSessionStore, type SessionStore } from '../../../src/server/index.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { runProgram } from '../../support/program.ts'
import { query } from '../../support/query.ts'

const CLI = join(import.meta.dirname, '../../../src/cli/main.ts')
const ann = { tenantId: 'acme', userId: 'ann' }
const ben = { tenantId: 'acme', userId: 'ben' }
const directories = temporaryDirectories()
let database: TestDatabase
let store: SessionStore
let batches = 0

beforeAll(async () => {
  database = await migratedDatabase()
  store = createSessionStore({ database: database.url, requestLimits: false })
})
afterAll(async () => {
  await store.close()
  await database.drop()
  await directories.remove()
})

const write = (principal: typeof ann, ...mutations: object[]) =>
  store.write(principal, { id: `b${++batches}`, mutations })
const session = (id: string, more: object = {}) => ({
  collection: 'sessions',
  type: 'insert',
  value: { id, title: id, ...more },
})
const grant = (id: string, sessionId: string, grantee: string, role = 'viewer') => ({
  collection: 'sessionGrants',
  type: 'insert',
  value: { id, sessionId, grantee, role },
})

/** Lists entries as text, the first one first. */
async function entries(sessionId?: string): Promise<string[]> {
  const found = await listAudit({ database: database.url, tenantId: 'acme', sessionId })
  return found
    .reverse()
    .map(({ userId, action, details }) =>
      [userId ?? '(operator)', action, ...Object.values(details)].join(' '),
    )
}

test('records who shared, unshared and deleted, in batches of one and of several', async () => {
  await write(ann, session('s1'))
  await write(ann, grant('g1', 's1', 'user:ben'))
  await write(ann, {
    collection: 'sessionGrants',
    type: 'update',
    id: 'g1',
    changes: { role: 'editor' },
  })
  await write(ann, grant('g2', 's1', 'team:red'), {
    collection: 'sessionGrants',
    type: 'delete',
    id: 'g2',
  })
  await write(ann, {
    collection: 'sessions',
    type: 'update',
    id: 's1',
    changes: { visibility: 'tenant' },
  })
  await write(ann, {
    collection: 'sessions',
    type: 'update',
    id: 's1',
    changes: { visibility: 'private' },
  })
  await write(ann, {
    collection: 'sessions',
    type: 'update',
    id: 's1',
    changes: { title: 'other' },
  })
  await write(ann, { collection: 'sessions', type: 'delete', id: 's1' })
  expect(await entries('s1')).toEqual([
    'ann share viewer user:ben',
    'ann share editor user:ben',
    'ann share viewer team:red',
    'ann unshare team:red',
    'ann share member tenant',
    'ann unshare tenant',
    'ann delete ann',
  ])
})

test('a refused write leaves no entry, and the user of one transaction is not that of the next', async () => {
  await write(ann, session('s2'))
  await expect(write(ben, { collection: 'sessions', type: 'delete', id: 's2' })).rejects.toThrow()
  await expect(write(ben, grant('g3', 's2', 'user:eve'))).rejects.toThrow()
  expect(await entries('s2')).toEqual([])
  await query(
    database.url,
    `UPDATE sessions SET updated_at = now() - interval '1 year' WHERE id = 's2'`,
  )
  await query(
    database.url,
    `BEGIN; SET LOCAL session_replication_role = replica;
     UPDATE sessions SET updated_at = now() - interval '1 year' WHERE id = 's2'; COMMIT`,
  )
  await runRetention({ database: database.url, policy: { default: '90d' } })
  expect(await entries('s2')).toEqual(['(operator) delete ann'])
})

test('records exports, and forgets entries with age', async () => {
  await write(ben, session('s3'))
  const directory = join(await directories.create(), 'export')
  await exportData({ database: database.url, tenantId: 'acme', userId: 'ben', directory })
  expect((await entries()).at(-1)).toBe('(operator) export ben')
  const policy = { default: 'keep' }
  await runRetention({ database: database.url, policy, keepAuditFor: '1d' })
  expect(await entries()).not.toEqual([])
  await query(database.url, `UPDATE session_audit SET created_at = now() - interval '2 days'`)
  await runRetention({ database: database.url, policy, keepAuditFor: '1d' })
  expect(await entries()).toEqual([])
})

test('the commands list entries and erase', async () => {
  await write(ann, session('s4'), grant('g6', 's4', 'user:ben'))
  const run = async (...args: string[]) => {
    const program = runProgram(CLI, args, { env: { DATABASE_URL: database.url, NO_COLOR: '1' } })
    const { code } = await program.ended
    return { code, ...program.output }
  }
  const listed = await run('audit', '--tenant', 'acme', '--session', 's4')
  expect(listed.stdout).toMatch(/^\S+Z {2}share {4}ann {2}s4 {2}role=viewer {2}grantee=user:ben\n$/)
  const counted = await run('erase-user', '--tenant', 'acme', '--user', 'ann', '--dry-run')
  expect(counted).toMatchObject({
    code: 0,
    stdout: 'Would erase 1 sessions, and 0 messages in sessions of others.\n',
  })
  expect(await entries('s4')).toHaveLength(1)
})

test('erases a user from every table, and leaves the rest', async () => {
  const thread = (id: string, sessionId: string) => ({
    collection: 'chatThreads',
    type: 'insert',
    value: { id, sessionId, title: 'about ann', mode: 'session' },
  })
  const message = (id: string, threadId: string) => ({
    collection: 'chatMessages',
    type: 'insert',
    value: { id, threadId, role: 'user', content: `of ${id}` },
  })
  await write(
    ann,
    session('own', { visibility: 'tenant' }),
    thread('t1', 'own'),
    message('m1', 't1'),
  )
  await write(ben, message('m2', 't1'))
  await write(ben, session('bens'), grant('g4', 'bens', 'user:ann', 'editor'))
  await write(ann, thread('t2', 'bens'), message('m3', 't2'))
  await write(ben, message('m4', 't2'))
  await write(ann, message('m5', 't2'))
  await query(
    database.url,
    `INSERT INTO session_grants (tenant_id, id, session_id, grantee, role, created_by)
     VALUES ('acme', 'g5', 'bens', 'team:red', 'viewer', 'ann')`,
  )
  await query(
    database.url,
    `INSERT INTO chat_message_feedback (tenant_id, user_id, message_id, session_id, rating, comment)
     VALUES ('acme', 'ann', 'm4', 'bens', 'up', 'ann likes it')`,
  )
  await query(
    database.url,
    `INSERT INTO chat_message_usage (tenant_id, message_id, call_id, thread_id, session_id, user_id)
     VALUES ('acme', 'm1', 'c1', 't1', 'own', 'ann')`,
  )
  await write({ ...ann, tenantId: 'other' }, session('elsewhere'))

  const erase = { database: database.url, tenantId: 'acme', userId: 'ann' }
  const counts = { sessions: 2, messages: 2 }
  expect(await eraseUser({ ...erase, dryRun: true })).toEqual({ dryRun: true, ...counts })
  expect(await eraseUser(erase)).toEqual({ dryRun: false, ...counts })

  const tables = await query<{ name: string }>(
    database.url,
    `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND c.relnamespace = 'public'::regnamespace`,
  )
  expect(tables.length).toBeGreaterThan(12)
  for (const { name } of tables) {
    const rows = await query<{ row: string }>(
      database.url,
      `SELECT to_jsonb(t)::text AS row FROM ${name} t WHERE tenant_id = 'acme'`,
    )
    expect({ name, rows: rows.filter(({ row }) => /\bann\b/.test(row)) }).toEqual({
      name,
      rows: [],
    })
  }
  const { sessions } = await store.listSessions(ben)
  expect(sessions.map(({ id }) => id).sort()).toEqual(['bens', 's3'])
  const messages: string[] = []
  for await (const { id } of store.threadMessages(ben, 't2')) messages.push(id)
  expect(messages).toEqual(['m4'])
  expect((await store.listSessions({ ...ann, tenantId: 'other' })).sessions).toHaveLength(1)
  expect((await entries()).at(-1)).toBe('(operator) erase 2 2')
  expect(await eraseUser(erase)).toEqual({ dryRun: false, sessions: 0, messages: 0 })
})
