import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Pool } from 'pg'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type Migration, migrations } from '../../../src/server/migrations/index.ts'
import { applyMigrations, migrate, migrationSql } from '../../../src/server/migrations/migrate.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { createTestPool } from './test-pool.ts'

const ours = migrations.map(({ name }) => name)

let database: TestDatabase
let pool: Pool

beforeEach(async () => {
  database = await freshDatabase()
  pool = createTestPool(database.url)
  onTestFinished(async () => {
    await pool.end()
    await database.drop()
  })
})

const first: Migration = { name: '0001-first', sql: 'CREATE TABLE first (id int)' }
const second: Migration = { name: '0002-second', sql: 'CREATE TABLE second (id int)' }

async function tableNames(): Promise<string[]> {
  const { rows } = await pool.query<{ table_name: string }>(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
  )
  return rows.map((row) => row.table_name)
}

describe('migrate', () => {
  test('creates every table, and a second run does nothing', async () => {
    const once = await migrate({ database: database.url })
    expect(once).toEqual({ applied: ours, alreadyApplied: [] })
    expect(await tableNames()).toEqual([
      'applied_batches',
      'chat_attachment_chunks',
      'chat_attachments',
      'chat_message_deltas',
      'chat_message_feedback',
      'chat_message_usage',
      'chat_messages',
      'chat_thread_states',
      'chat_threads',
      'session_audit',
      'session_content_chunks',
      'session_content_garbage',
      'session_contents',
      'session_db_migrations',
      'session_grants',
      'session_uploads',
      'sessions',
      'timeline_events',
    ])
    const twice = await migrate({ database: pool })
    expect(twice).toEqual({ applied: [], alreadyApplied: ours })
  })

  test('prints SQL that another tool can run, after which nothing is left to apply', async () => {
    await pool.query(`BEGIN; ${migrationSql()} COMMIT;`)
    expect(await migrate({ database: pool })).toEqual({ applied: [], alreadyApplied: ours })
    expect(await tableNames()).toContain('chat_messages')
  })

  test('records existing tables as a baseline, and no missing ones', async () => {
    await expect(migrate({ database: pool, baseline: true })).rejects.toThrow(
      /0001-initial failed and was rolled back: there is no table sessions, .*without --baseline/,
    )
    for (const { sql } of migrations) await pool.query(sql)
    await expect(migrate({ database: pool })).rejects.toThrow(/already exists/)
    expect(await migrate({ database: pool, baseline: true })).toEqual({
      applied: ours,
      alreadyApplied: [],
    })
    expect(await migrate({ database: pool })).toEqual({ applied: [], alreadyApplied: ours })
  })

  test('refuses a schema that shapes would not read', async () => {
    await pool.query('CREATE SCHEMA chat')
    const elsewhere = `${database.url}?options=-csearch_path%3Dchat`
    await expect(migrate({ database: elsewhere })).rejects.toThrow(
      /belong in the schema public, but search_path creates tables in chat. Put public first.*pass `schema`/,
    )
    expect(await tableNames()).toEqual([])
  })

  test('applies only new migrations, in order', async () => {
    await applyMigrations(pool, [first])
    const result = await applyMigrations(pool, [first, second])
    expect(result).toEqual({ applied: ['0002-second'], alreadyApplied: ['0001-first'] })
  })

  test('leaves migrations of a newer version alone', async () => {
    await applyMigrations(pool, [first, second])
    const result = await applyMigrations(pool, [first])
    expect(result).toEqual({ applied: [], alreadyApplied: ['0001-first'] })
  })

  test('rejects an applied migration whose text has changed', async () => {
    await applyMigrations(pool, [first])
    const changed = { ...first, sql: 'CREATE TABLE first (id bigint)' }
    await expect(applyMigrations(pool, [changed, second])).rejects.toThrow(
      /0001-first was changed after it was applied/,
    )
    expect(await tableNames()).not.toContain('second')
  })

  test('rolls a failing migration back and keeps the ones before it', async () => {
    const broken = { name: '0002-second', sql: 'CREATE TABLE second (id int); SELECT 1/0;' }
    await expect(applyMigrations(pool, [first, broken])).rejects.toThrow(
      /0002-second failed and was rolled back: division by zero/,
    )
    expect(await tableNames()).toEqual(['first', 'session_db_migrations'])
    const repaired = await applyMigrations(pool, [first, second])
    expect(repaired).toEqual({ applied: ['0002-second'], alreadyApplied: ['0001-first'] })
  })

  test('reports an unreachable database', async () => {
    const unreachable = 'postgresql://nobody:nothing@127.0.0.1:1/none'
    await expect(migrate({ database: unreachable })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('Nothing listens at 127.0.0.1:1.'),
    })
  })

  test('lets exactly one of four concurrent processes apply each migration', async () => {
    const results = await Promise.all([1, 2, 3, 4].map(() => migrateInProcess(database.url)))
    // They take turns: one may apply the second migration, another the third.
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual(ours)
    for (const { applied, alreadyApplied } of results) {
      expect([...applied, ...alreadyApplied].sort()).toEqual(ours)
    }
  })
})

interface ProcessResult {
  readonly applied: string[]
  readonly alreadyApplied: string[]
}

function migrateInProcess(url: string): Promise<ProcessResult> {
  const module = fileURLToPath(
    new URL('../../../src/server/migrations/migrate.ts', import.meta.url),
  )
  const script = `
    import { applyMigrations, migrate } from ${JSON.stringify(module)}
    console.log(JSON.stringify(await migrate({ database: process.env.URL })))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, URL: url },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as ProcessResult)
      else reject(new Error(`The migrating process ended with ${code}`))
    })
  })
}
