import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createShapeProtocol } from '../../../src/dev/protocol/protocol.ts'
import { toResponse } from '../../../src/dev/protocol/responses.ts'
import { createShapeStore, type ShapeStore } from '../../../src/dev/protocol/shape-store.ts'
import { createPool } from '../../../src/dev/shape-server/connection.ts'
import { createPostgresSource } from '../../../src/dev/shape-server/postgres-source.ts'
import type { PostgresShape } from '../../../src/dev/shape-server/shape-definition.ts'
import { loadPgParser } from '../../../src/dev/shape-server/where/parse.ts'
import { freshDatabase } from '../../support/database.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Starts a source that reconciles its tables only when the test calls it. */
async function start() {
  const database = await freshDatabase()
  const pool = createPool(database.url, () => {})
  const commitPool = createPool(database.url, () => {}, 1)
  onTestFinished(async () => {
    await Promise.all([pool.end(), commitPool.end()])
    await database.drop()
  })
  await loadPgParser()
  let store: ShapeStore<PostgresShape>
  const source = await createPostgresSource({ pool, commitPool, store: () => store, log() {} })
  store = createShapeStore<PostgresShape>({
    chunkBytes: 1_000_000,
    maxBytes: 1_000_000,
    onRemove: (shape) => source.close(shape.log),
  })
  source.setStreaming(true)
  const answer = createShapeProtocol(source, store, {
    longPollMs: 1_000,
    sseKeepAliveMs: 1_000,
    sseDurationMs: 1_000,
    subsetLingerMs: 0,
    secret: undefined,
    allowShapeDeletion: true,
    onError: () => {},
  })
  const get = async (query: Record<string, string>) => {
    const url = `http://engine.test/v1/shape?${new URLSearchParams({ table: 'items', ...query })}`
    return toResponse(await answer(new Request(url)))
  }
  return { pool, source, get }
}

test.each([
  ['dropped', 'DROP TABLE items', 30_000, 400],
  [
    'dropped and created again',
    'DROP TABLE items; CREATE TABLE items (id int PRIMARY KEY)',
    10_000,
    409,
  ],
])('serves a table that was %s for a while, like the engine', async (_, sql, ms, status) => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const { pool, source, get } = await start()
  await pool.query('CREATE TABLE items (id int PRIMARY KEY)')
  const handle = (await get({ offset: '-1' })).headers.get('electric-handle') ?? ''
  const statusOf = async () => (await get({ handle, offset: '0_inf' })).status
  expect(await statusOf()).toBe(200)
  await pool.query(sql)
  const gone = Date.now()
  for (const later of [0, ms - 1]) {
    vi.setSystemTime(gone + later)
    await source.reconcile()
    expect(await statusOf()).toBe(200)
  }
  vi.setSystemTime(gone + ms)
  await source.reconcile()
  expect(await statusOf()).toBe(status)
})
