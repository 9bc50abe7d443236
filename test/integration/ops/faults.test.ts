import { execFile } from 'node:child_process'
import { chown } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Pool } from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createSessionCollections,
  type SessionCollections,
} from '../../../src/collections/index.ts'
import { chooseServerUser } from '../../../src/dev/postgres/server-user.ts'
import { createShapeServer, type ShapeServer } from '../../../src/dev/shape-server/index.ts'
import { createHealthHandler, type Readiness } from '../../../src/ops/index.ts'
import {
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
  migrate,
  type SessionStore,
} from '../../../src/server/index.ts'
import { createHttpWriteAdapter } from '../../../src/writes/index.ts'
import {
  type DebianPostgres,
  hasDebianPostgres,
  startDebianPostgres,
  startDebianServer,
} from '../../support/debian-postgres.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { query } from '../../support/query.ts'
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts'
import { type Served, serve } from '../../unit/proxy/serve.ts'

const run = promisify(execFile)
const principal = { tenantId: 'acme', userId: 'ada' }
const portOf = (url: string) => Number(new URL(url).port)

/** An app with one open window. Its connection to Postgres can be cut. */
interface Stage {
  readonly postgres: DebianPostgres
  readonly way: TcpProxy
  readonly db: SessionCollections
  /** Ids of sessions whose writes were acknowledged. */
  readonly acknowledged: Set<string>
  /** Writes sessions until `stop` settles. Failed writes are just not acknowledged. */
  writeUntil(stop: Promise<unknown>): Promise<void>
  readiness(): Promise<Readiness['status']>
  restartEngine(): Promise<void>
  stopEngine(): Promise<void>
  /** Reads the stored ids over a direct connection. */
  sessionsStored(url?: string): Promise<Set<string>>
}

let cleanUps: (() => Promise<unknown>)[] = []
let stage: Stage

async function openStage(settings: Record<string, string> = {}, parent?: string): Promise<Stage> {
  const postgres = await startDebianPostgres(settings, parent)
  const way = await startTcpProxy(portOf(postgres.url))
  const databaseUrl = `postgresql://postgres@127.0.0.1:${way.port}/postgres`
  await migrate({ database: databaseUrl })
  const pool = new Pool({ connectionString: databaseUrl, connectionTimeoutMillis: 2_000 })
  pool.on('error', () => {})
  const store: SessionStore = createSessionStore({ database: pool })
  let engine: ShapeServer | undefined
  // The engine keeps its address across restarts, like a service.
  const engineWay = await startTcpProxy(1)
  const restartEngine = async () => {
    engine = await createShapeServer({ database: databaseUrl })
    engineWay.leadTo(portOf((await engine.listen()).url))
    engineWay.heal()
  }
  const stopEngine = async () => {
    engineWay.cut()
    await engine?.close().catch(() => undefined)
    engine = undefined
  }
  await restartEngine()
  const electricUrl = `http://127.0.0.1:${engineWay.port}`
  const authenticate = () => principal
  const serveShape = createShapeProxy({ electricUrl, authenticate })
  const serveWrite = createWriteHandler({ store, authenticate })
  const serveHealth = createHealthHandler({
    database: pool,
    electricUrl,
    streamId: false,
    cacheMs: 0,
  })
  const app: Served = await serve((request) => {
    const { pathname } = new URL(request.url)
    if (pathname.startsWith('/api/shapes/')) return serveShape(request)
    return pathname.startsWith('/health/') ? serveHealth(request) : serveWrite(request)
  })
  const db = createSessionCollections({
    electricUrl: `${app.url}/api/shapes`,
    writeAdapter: createHttpWriteAdapter({ url: `${app.url}/api/write` }),
    identity: principal,
  })
  await db.sessions.preload()
  cleanUps = [
    () => db.cleanup(),
    () => app.close(),
    stopEngine,
    () => engineWay.close(),
    () => pool.end(),
    () => way.close(),
    () => postgres.stop(),
  ]
  const acknowledged = new Set<string>()
  let count = 0
  return {
    postgres,
    way,
    db,
    acknowledged,
    async writeUntil(stop) {
      let stopped = false
      void stop.finally(() => {
        stopped = true
      })
      const writers = Array.from({ length: 4 }, async () => {
        while (!stopped) {
          count += 1
          const id = `s${count}`
          const value = { id, title: id, source: 'upload' as const, format: 'codex' as const }
          const batch = {
            id: `b-${id}`,
            mutations: [{ collection: 'sessions', type: 'insert', value }],
          }
          const written = await store.write(principal, batch).catch(() => undefined)
          if (written !== undefined) acknowledged.add(id)
        }
      })
      await Promise.all(writers)
    },
    async readiness() {
      const response = await fetch(`${app.url}/health/ready`)
      return ((await response.json()) as Readiness).status
    },
    restartEngine,
    stopEngine,
    async sessionsStored(url = postgres.url) {
      const rows = await query<{ id: string }>(url, 'SELECT id FROM sessions')
      return new Set(rows.map(({ id }) => id))
    },
  }
}

/** Expects that acknowledged writes are stored, and that the open window converges to the stored rows. */
async function expectNothingLost(url?: string): Promise<void> {
  const stored = await stage.sessionsStored(url)
  expect([...stage.acknowledged].filter((id) => !stored.has(id))).toEqual([])
  expect(stage.acknowledged.size).toBeGreaterThan(0)
  await expectShown(stored)
}

/** Waits until the open window shows exactly these sessions. */
async function expectShown(stored: ReadonlySet<string>): Promise<void> {
  const shown = () => new Set(stage.db.sessions.keys())
  await expect.poll(shown, { timeout: 60_000, interval: 50 }).toEqual(stored)
}

/** Resolves after `count` more acknowledged writes. */
async function acknowledgedMore(count: number): Promise<void> {
  const wanted = stage.acknowledged.size + count
  await expect.poll(() => stage.acknowledged.size, { timeout: 30_000 }).toBeGreaterThan(wanted)
}

const ready = { timeout: 60_000, interval: 50 }

describe.runIf(hasDebianPostgres)('no acknowledged write is lost', { timeout: 180_000 }, () => {
  const directories = temporaryDirectories()
  afterEach(async () => {
    for (const cleanUp of cleanUps) await cleanUp()
    await directories.remove()
  })

  describe('with enough disk space', () => {
    beforeEach(async () => {
      stage = await openStage()
    })

    test('when the network to Postgres is cut during writes', async () => {
      const cuts = (async () => {
        for (let time = 0; time < 3; time += 1) {
          await acknowledgedMore(20)
          stage.way.cut()
          await expect.poll(stage.readiness, ready).toBe('not ready')
          stage.way.heal()
          await expect.poll(stage.readiness, ready).toBe('ready')
        }
        await acknowledgedMore(5)
      })()
      await stage.writeUntil(cuts)
      await cuts
      await expectNothingLost()
    })

    test('when Postgres is killed and restarted', async () => {
      let restarted: Awaited<ReturnType<typeof startDebianServer>> | undefined
      const restart = (async () => {
        await acknowledgedMore(20)
        await stage.postgres.kill()
        await expect.poll(stage.readiness, ready).toBe('not ready')
        restarted = await startDebianServer(stage.postgres.dataDir, { fsync: 'on' })
        // Stops before its directory is removed.
        cleanUps.splice(-1, 0, restarted.stop)
        stage.way.leadTo(portOf(restarted.url))
        await expect.poll(stage.readiness, ready).toBe('ready')
        await acknowledgedMore(5)
      })()
      await stage.writeUntil(restart)
      await restart
      await expectNothingLost(restarted?.url)
    })

    test('when the engine is down for a while and loses its slot', async () => {
      const outage = (async () => {
        await acknowledgedMore(20)
        await stage.stopEngine()
        await expect.poll(stage.readiness, ready).toBe('degraded')
        // Writes continue. The remaining slots are dropped.
        await acknowledgedMore(20)
        await query(
          stage.postgres.url,
          'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active',
        )
        await stage.restartEngine()
        await expect.poll(stage.readiness, ready).toBe('ready')
        await acknowledgedMore(5)
      })()
      await stage.writeUntil(outage)
      await outage
      await expectNothingLost()
    })
  })

  test('before a backup that is restored, and open windows show what it holds', async () => {
    stage = await openStage()
    let restored: Awaited<ReturnType<typeof startDebianServer>> | undefined
    let before: string[] = []
    const restore = (async () => {
      await acknowledgedMore(20)
      before = [...stage.acknowledged]
      const { dataDir, program, url } = stage.postgres
      const backup = join(dataDir, '../backup')
      await program('pg_basebackup', ['-d', url, '-D', backup, '-c', 'fast'])
      await acknowledgedMore(20)
      // The runbook: the engine stops, and begins without its slot and storage.
      await stage.stopEngine()
      await stage.postgres.kill()
      restored = await startDebianServer(backup)
      cleanUps.splice(-1, 0, restored.stop)
      stage.way.leadTo(portOf(restored.url))
      await stage.restartEngine()
      await expect.poll(stage.readiness, ready).toBe('ready')
      await acknowledgedMore(5)
    })()
    await stage.writeUntil(restore)
    await restore
    const stored = await stage.sessionsStored(restored?.url)
    expect(before.filter((id) => !stored.has(id))).toEqual([])
    expect([...stage.acknowledged].some((id) => !stored.has(id))).toBe(true)
    await expectShown(stored)
  })

  test.runIf(process.getuid?.() === 0)(
    'when the disk of Postgres is full for a while',
    async () => {
      const disk = await directories.create()
      await run('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', disk])
      const { uid = 0, gid = 0 } = chooseServerUser(undefined)
      await chown(disk, uid, gid)
      stage = await openStage({ max_wal_size: '64MB', min_wal_size: '32MB' }, disk)
      cleanUps.push(() => run('umount', ['-l', disk]))
      const filler = `${disk}/filler`
      const full = (async () => {
        await acknowledgedMore(20)
        await run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M']).catch(() => undefined)
        const bulk = `INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind, text)
        SELECT 'acme', 'e' || n, 's1', n, 'other', repeat(md5(n::text), 60) FROM generate_series(1, 20000) AS n`
        await expect(query(stage.postgres.url, bulk)).rejects.toThrow(
          /No space left|terminat|recovery/,
        )
        await run('rm', [filler])
        await expect.poll(stage.readiness, ready).toBe('ready')
        await acknowledgedMore(5)
      })()
      await stage.writeUntil(full)
      await full
      await expectNothingLost()
    },
  )
})
