import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  interleave,
  quantile,
  timed,
} from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'
import { createHttpClient, type HttpClient } from './support/http-get.ts'
import { openPolls } from './support/idle-polls.ts'
import { followShape, type LiveClient } from './support/live-client.ts'
import { idleClients, measureMemory } from './support/proxy-memory.ts'
import {
  againstBoth,
  askedDirectly,
  behindOurs,
  type Side,
  type Sides,
} from './support/proxy-sides.ts'
import { measureSnapshots } from './support/proxy-snapshots.ts'
import { type ServerProcess, startServerProcess } from './support/server-process.ts'
import { readWholeShape } from './support/shape-reader.ts'

const largeRows = 100_000
const rowBytes = 1_000
const smallRows = 10
const requestsPerRound = 1_000
const concurrentRequests = 16
const commitsPerRound = 50
const waves = 10
const clientsPerWave = 500
/** Node options for an app's server, as in docs/operations.md. */
const roomForTheHeap = ['--initial-old-space-size=128']

/** Measures shapes through the proxy against the same shapes directly from the engine. */
export const benchmark: Benchmark = { name: 'proxy', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(async (postgres) => {
    const database = await postgres.connect()
    await fill(database)
    const engine = await startServerProcess({
      program: 'shape-server',
      argument: { database: postgres.url, longPollMs: 600_000 },
    })
    const proxy = await startServerProcess({
      program: 'shape-proxy',
      argument: { electricUrl: engine.url },
      cpuProfileDirectory: context.cpuProfileDirectory,
    })
    const bare = await startServerProcess({
      program: 'bare-proxy',
      argument: { electricUrl: engine.url },
    })
    const withRoom = await startServerProcess({
      program: 'shape-proxy',
      argument: { electricUrl: engine.url },
      nodeFlags: roomForTheHeap,
    })
    const http = createHttpClient()
    const sides: Sides = {
      proxied: behindOurs(proxy),
      withRoom: behindOurs(withRoom),
      bare: askedDirectly(bare),
      direct: askedDirectly(engine),
    }
    try {
      context.note(`${idleClients} idle clients`)
      const memory = await measureMemory(engine.url)
      context.note(`a snapshot of ${(largeRows * rowBytes) / 1e6} MB`)
      const snapshots = await measureSnapshots(context, http, sides, { proxied: proxy, withRoom })
      context.note(`${requestsPerRound} requests for a small shape`)
      const requests = await measureRequests(context, http, sides)
      context.note('live answers')
      const live = await measureLive(context, database, http, sides)
      context.note(`${waves} waves of ${clientsPerWave} clients that come and go`)
      const growth = await measureGrowth(proxy, sides.proxied)
      return [...snapshots, ...requests, ...live, ...memory, growth]
    } finally {
      http.close()
      await bare.stop()
      await withRoom.stop()
      await proxy.stop()
      await engine.stop()
    }
  })
}

async function fill(database: Client): Promise<void> {
  for (const [table, rows, bytes] of [
    ['small', smallRows, 100],
    ['large', largeRows, rowBytes],
    ['live', 0, 0],
  ] as const) {
    await database.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, body text NOT NULL);
      INSERT INTO ${table} SELECT n, repeat('x', ${bytes}) FROM generate_series(1, ${rows}) n`)
  }
}

async function measureRequests(
  { rounds }: BenchContext,
  http: HttpClient,
  sides: Sides,
): Promise<Comparison[]> {
  const ask = (side: Side) => async () => {
    const all = await timed(async () => {
      let left = requestsPerRound
      const worker = async () => {
        while (left-- > 0) await readWholeShape(http, side.url('small'), side.query('small'))
      }
      await Promise.all(Array.from({ length: concurrentRequests }, worker))
    })
    return all / requestsPerRound
  }
  const samples = await interleave(rounds, eachSide(sides, ask))
  return againstBoth('read of a small shape, 16 at once', samples)
}

function eachSide(sides: Sides, step: (side: Side) => () => Promise<number>) {
  return { proxied: step(sides.proxied), bare: step(sides.bare), direct: step(sides.direct) }
}

/** Both see the same commits, so that other load slows both. */
async function measureLive(
  { rounds }: BenchContext,
  database: Client,
  http: HttpClient,
  { proxied, direct }: Sides,
): Promise<Comparison[]> {
  const follow = (side: Side) => followShape(http, side.url('live'), side.query('live'))
  const [ours, reference] = await Promise.all([follow(proxied), follow(direct)])
  const p50: { ours: number[]; reference: number[] } = { ours: [], reference: [] }
  const p99: { ours: number[]; reference: number[] } = { ours: [], reference: [] }
  for (let round = -1; round < rounds; round++) {
    const seen = await timeCommits(database, ours, reference, (round + 1) * commitsPerRound)
    if (round < 0) continue
    p50.ours.push(...seen.ours)
    p50.reference.push(...seen.reference)
    p99.ours.push(quantile(seen.ours, 0.99))
    p99.reference.push(quantile(seen.reference, 0.99))
  }
  const against = { unit: 'ms', referenceName: 'the engine itself, same commits' }
  return [
    compare({ ...against, ...p50, name: 'commit to live answer, p50', goal: { over: 1 } }),
    compare({ ...against, ...p99, name: 'commit to live answer, p99' }),
  ]
}

async function timeCommits(
  database: Client,
  ours: LiveClient,
  reference: LiveClient,
  from: number,
): Promise<{ ours: number[]; reference: number[] }> {
  const seen: { ours: number[]; reference: number[] } = { ours: [], reference: [] }
  for (let n = from; n < from + commitsPerRound; n++) {
    const polls = [ours.poll(), reference.poll()] as const
    await delay(6)
    const start = performance.now()
    const since = () => performance.now() - start
    const [first, second] = await Promise.all([
      polls[0].then(since),
      polls[1].then(since),
      database.query('INSERT INTO live VALUES ($1, $2)', [n, 'x'.repeat(300)]),
    ])
    seen.ours.push(first)
    seen.reference.push(second)
  }
  return seen
}

/** Clients that connect, wait and leave, to detect leaks. */
async function measureGrowth(proxy: ServerProcess, proxied: Side): Promise<Comparison> {
  const heaps: number[] = []
  for (let wave = 0; wave < waves; wave++) {
    const crowd = await openPolls(proxied, clientsPerWave, 'one')
    crowd.close()
    await delay(500)
    heaps.push((await proxy.usage()).heapUsed / 1e6)
  }
  return compare({
    name: `heap after ${waves} waves of ${clientsPerWave} clients`,
    unit: 'MB',
    ours: heaps.slice(-3),
    reference: heaps.slice(1, 4),
    referenceName: 'after the first waves',
    goal: { ratio: 1.1 },
  })
}
