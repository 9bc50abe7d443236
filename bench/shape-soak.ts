import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { type BenchContext, type Benchmark, type Comparison, compare } from './harness.ts'
import { type BenchPostgres, withPostgres } from './support/bench-postgres.ts'
import { createGroups } from './support/grouped-rows.ts'
import { createHttpClient, type HttpClient } from './support/http-get.ts'
import { followShape, type LiveClient } from './support/live-client.ts'
import {
  type ProcessUsage,
  type ServerProcess,
  startServerProcess,
} from './support/server-process.ts'
import type { ShapeQuery } from './support/shape-reader.ts'

/** Writes per second. */
const rateVariable = 'SHAPE_SOAK_WRITES_PER_SECOND'
const defaultRate = 200
const rowCount = 1000
const clientsPerShape = 2
/** Connections that write. One is too slow on a busy machine. */
const writers = 8
const mb = 1024 ** 2

/** Memory bound of the logs: less than this run writes, so that it is reached. */
const maxLogBytes = 32 * mb
/** Memory of a server without shapes, plus the growth that V8 allows for that much live data. */
const boundMb = 150 + (maxLogBytes * 6) / mb

/** Memory of the server under endless writes to followed shapes, compared with its bound. */
export const benchmark: Benchmark = { name: 'shape-soak', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  const rate = writesPerSecond()
  return withPostgres(async (postgres) => {
    const database = await postgres.connect()
    await createGroups(database, 'items')
    await database.query(
      `INSERT INTO items (group_id, body)
       SELECT (n % 10)::text, repeat('x', 300) FROM generate_series(1, ${rowCount}) n`,
    )
    const server = await startServerProcess({
      program: 'shape-server',
      argument: { database: postgres.url, maxLogBytes },
      cpuProfileDirectory: context.cpuProfileDirectory,
    })
    const http = createHttpClient()
    try {
      const crowd = await gather(http, server.url)
      const peakMb = await soak({ context, postgres, server, crowd, rate })
      await crowd.stop(database)
      return [
        compare({
          name: `peak memory in ${context.seconds} s at ${rate} writes/s`,
          unit: 'MB',
          ours: [peakMb],
          reference: [boundMb],
          referenceName: `bound: 150 MB and 6 x maxLogBytes of ${maxLogBytes / mb} MB`,
          goal: { ratio: 1 },
        }),
      ]
    } finally {
      http.close()
      await server.stop()
    }
  })
}

/** Starts clients of the whole table and of three groups that read everything. */
async function gather(http: HttpClient, url: string) {
  const groups = ['0', '1', '2'].map((group) => ({ where: 'group_id = $1', 'params[1]': group }))
  const queries: ShapeQuery[] = [{}, ...groups].map((rows) => ({ table: 'items', ...rows }))
  const clients: LiveClient[] = []
  for (const query of queries) {
    for (let n = 0; n < clientsPerShape; n++) clients.push(await followShape(http, url, query))
  }
  let stopped = false
  let read = 0
  const loops = clients.map(async (client) => {
    while (!stopped) {
      const body = await client.poll()
      read += body.length
    }
  })
  return {
    /** Bytes of all live answers so far. */
    read: () => read,
    refetches: () => clients.reduce((sum, client) => sum + client.refetches, 0),
    /** Ends the polls with a last write to every shape. */
    async stop(database: Client) {
      stopped = true
      await database.query(`UPDATE items SET body = 'the end'`)
      await Promise.all(loops)
    },
  }
}

function writesPerSecond(): number {
  const text = process.env[rateVariable] ?? String(defaultRate)
  const rate = Number(text)
  if (rate > 0 && rate <= 100_000) return rate
  throw new Error(`${rateVariable} must be a number from 1 to 100000, not "${text}"`)
}

/** Returns the peak memory of the server in MB. */
async function soak(options: {
  context: BenchContext
  postgres: BenchPostgres
  server: ServerProcess
  crowd: Awaited<ReturnType<typeof gather>>
  rate: number
}): Promise<number> {
  const { context, postgres, server, crowd, rate } = options
  const connections = await Promise.all(Array.from({ length: writers }, () => postgres.connect()))
  const writer = startWriters(connections, rate)
  const reports = Math.min(20, context.seconds)
  let peak: ProcessUsage | undefined
  let peakSecond = 0
  for (let second = 1; second <= context.seconds; second++) {
    await Promise.race([delay(1000), writer.failed])
    const usage = await server.usage({ collectGarbage: false })
    if (!peak || usage.rss > peak.rss) {
      peak = usage
      peakSecond = second
    }
    if (second % Math.floor(context.seconds / reports) === 0) {
      context.note(
        `${second} s: ${inMegabytes(usage)}, cpu ${(usage.cpuMs / second / 10).toFixed(0)} %, ` +
          `${writer.written()} writes, clients read ${(crowd.read() / mb).toFixed(0)} MB ` +
          `and started over ${crowd.refetches()} times`,
      )
    }
  }
  await writer.stop()
  if (!peak) throw new Error('a soak takes at least one second')
  context.note(`peak after ${peakSecond} s: ${inMegabytes(peak)}`)
  return peak.rss / mb
}

function inMegabytes({ rss, heapUsed, heapTotal, external }: ProcessUsage): string {
  const [all, used, heap, buffers] = [rss, heapUsed, heapTotal, external].map((bytes) =>
    (bytes / mb).toFixed(0),
  )
  return `rss ${all} MB, heap ${used} of ${heap} MB, buffers ${buffers} MB`
}

/** Updates rows at an even rate, and catches up after delays. */
function startWriters(connections: readonly Client[], rate: number) {
  const start = performance.now()
  let written = 0
  let stopped = false
  const loop = async (database: Client) => {
    while (!stopped) {
      const due = ((performance.now() - start) / 1000) * rate
      if (written >= due) {
        await delay(1000 / rate)
        continue
      }
      written += 1
      await database.query({
        name: 'write',
        text: 'UPDATE items SET body = $2 WHERE id = $1',
        values: [1 + (written % rowCount), String(written).padEnd(300, 'x')],
      })
    }
  }
  const done = Promise.all(connections.map(loop))
  return {
    written: () => written,
    /** Rejects when a write fails; resolves at the end. */
    failed: done,
    async stop() {
      stopped = true
      await done
    },
  }
}
