import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  interleave,
  timed,
} from './harness.ts'
import { type BenchPostgres, withPostgres } from './support/bench-postgres.ts'
import { createGroups, insertRow, writeBurst } from './support/grouped-rows.ts'
import { createHttpClient, type HttpClient } from './support/http-get.ts'
import { followShape } from './support/live-client.ts'
import { type ServerProcess, startServerProcess } from './support/server-process.ts'
import { within } from './support/within.ts'

const clientCount = 1000
const burstTransactions = 3000
/** Long enough for all polls to reach the shape server; its log covers those that are late. */
const settleMs = 500
const patienceMs = 120_000

/** A thousand live clients, compared with a minimal server that only answers held requests from the stream. */
export const benchmark: Benchmark = { name: 'shape-clients', run }

interface Follower {
  poll(): Promise<Buffer>
}

/** One of the two servers. A client follows a group of its table, or `*` for every row. */
interface Side {
  readonly table: string
  readonly server: ServerProcess
  readonly http: HttpClient
  follow(group: string): Promise<Follower>
  /** True if a client also gets the writes from between two polls. */
  readonly keepsLog: boolean
  /** Resolves when this many polls have reached the server. */
  settled(polls: number): Promise<void>
}

async function run(context: BenchContext): Promise<Comparison[]> {
  const comparisons: Comparison[] = []
  for (const shapes of ['one shape', '1,000 shapes'] as const) {
    context.note(`1,000 clients on ${shapes}`)
    comparisons.push(...(await withPostgres((postgres) => measure(context, postgres, shapes))))
  }
  return comparisons
}

async function measure(
  context: BenchContext,
  postgres: BenchPostgres,
  shapes: 'one shape' | '1,000 shapes',
): Promise<Comparison[]> {
  const database = await postgres.connect()
  const ours = await startOurs(context, postgres, database)
  const reference = await startReference(postgres, database)
  const groupOf = (n: number) => (shapes === 'one shape' ? '*' : String(n))
  const against = { referenceName: 'bare long-poll server on pgoutput' }
  const crowds: { stop(): void }[] = []
  try {
    const oursCrowd = await gather(ours, groupOf)
    const referenceCrowd = await gather(reference, groupOf)
    crowds.push(oursCrowd, referenceCrowd)
    const answered = await interleave(context.rounds, {
      ours: () => oursCrowd.timeCommit(database),
      reference: () => referenceCrowd.timeCommit(database),
    })
    const burst = await interleave(Math.min(3, context.rounds), {
      ours: () => oursCrowd.timeBurst(database),
      reference: () => referenceCrowd.timeBurst(database),
    })
    return [
      compare({
        ...against,
        name:
          shapes === 'one shape'
            ? 'commit to the last of 1,000 clients, one shape'
            : 'commit to the one concerned of 1,000 clients, 1,000 shapes',
        unit: 'ms',
        ...answered,
      }),
      compare({
        ...against,
        name: `memory per idle client, ${shapes}`,
        unit: 'kB',
        ours: [oursCrowd.idleKb],
        reference: [referenceCrowd.idleKb],
      }),
      compare({
        ...against,
        name: `time per write in a burst of ${burstTransactions}, ${shapes}`,
        unit: 'ms',
        ours: burst.ours.map((ms) => ms / burstTransactions),
        reference: burst.reference.map((ms) => ms / burstTransactions),
      }),
    ]
  } finally {
    for (const crowd of crowds) crowd.stop()
    for (const side of [ours, reference]) {
      side.http.close()
      await side.server.stop()
    }
  }
}

async function startOurs(
  context: BenchContext,
  postgres: BenchPostgres,
  database: Client,
): Promise<Side> {
  const table = 'items'
  await createGroups(database, table)
  const server = await startServerProcess({
    program: 'shape-server',
    // No poll may time out while others are opened and measured.
    argument: { database: postgres.url, longPollMs: 600_000 },
    cpuProfileDirectory: context.cpuProfileDirectory,
  })
  const http = createHttpClient()
  return {
    table,
    server,
    http,
    follow: (group) => {
      const where = group === '*' ? {} : { where: 'group_id = $1', 'params[1]': group }
      return followShape(http, server.url, { table, ...where })
    },
    keepsLog: true,
    settled: () => delay(settleMs),
  }
}

async function startReference(postgres: BenchPostgres, database: Client): Promise<Side> {
  const table = 'bare_items'
  await createGroups(database, table)
  const server = await startServerProcess({
    program: 'bare-poll-server',
    argument: { database: postgres.url, table },
  })
  const http = createHttpClient()
  return {
    table,
    server,
    http,
    follow: async (group) => {
      const url = `${server.url}/?group=${encodeURIComponent(group)}`
      return { poll: async () => (await http.get(url)).body }
    },
    keepsLog: false,
    async settled(polls) {
      const isTrue = async () =>
        String((await http.get(`${server.url}/waiting`)).body) === `${polls}`
      const all = async () => {
        while (!(await isTrue())) await delay(10)
        await delay(settleMs)
      }
      await within(patienceMs, `${polls} polls wait`, all())
    },
  }
}

/** Opens the clients in waves, and one more that waits for the end of a burst. */
async function gather(side: Side, groupOf: (n: number) => string) {
  const shared = groupOf(0) === '*'
  const before = await side.server.usage()
  const crowd: PollingClient[] = []
  while (crowd.length < clientCount) {
    const wave = Array.from({ length: 50 }, (_, i) => groupOf(crowd.length + i))
    const followers = await Promise.all(wave.map((group) => side.follow(group)))
    crowd.push(...followers.map(createPollingClient))
  }
  const watcher = createPollingClient(await side.follow('last'))
  for (const [n, client] of [...crowd, watcher].entries()) {
    client.start()
    // Too many simultaneous connections overflow the listening socket's queue.
    if (n % 50 === 0) await delay(20)
  }
  const settled = () => side.settled(clientCount + 1)
  await settled()
  const after = await side.server.usage()
  const burstEnds = shared && side.keepsLog ? [...crowd, watcher] : [watcher]
  let next = 0

  return {
    idleKb: (after.rss - before.rss) / 1024 / clientCount,
    async timeCommit(database: Client): Promise<number> {
      next = (next + 1) % clientCount
      const concerned = shared ? crowd : crowd.slice(next, next + 1)
      const answers = concerned.map((client) => client.answered())
      const time = await timed(() =>
        within(
          patienceMs,
          'every client concerned is answered',
          Promise.all([insertRow(database, side.table, next), ...answers]),
        ),
      )
      await settled()
      return time
    },
    /**
     * Writes as fast as Postgres can, until every client concerned has read the last write (one client if
     * the server keeps no log).
     */
    async timeBurst(database: Client): Promise<number> {
      const told = burstEnds.map((client) => client.answered('"last"'))
      const time = await timed(async () => {
        await writeBurst(database, side.table, burstTransactions)
        await within(patienceMs, 'clients are told of the last write', Promise.all(told))
      })
      await settled()
      return time
    },
    stop() {
      for (const client of [...crowd, watcher]) client.stop()
    },
  }
}

type PollingClient = ReturnType<typeof createPollingClient>

/** Polls again after every answer. */
function createPollingClient(follower: Follower) {
  const listeners = new Set<{ text: string; resolve: () => void }>()
  let stopped = false

  async function loop(): Promise<void> {
    while (!stopped) {
      const body = await follower.poll()
      for (const listener of listeners) {
        if (!body.includes(listener.text)) continue
        listeners.delete(listener)
        listener.resolve()
      }
    }
  }

  return {
    start() {
      // Polls are cut off at the end. Earlier, that would leave a listener waiting.
      loop().catch((error: unknown) => {
        if (!stopped) console.error('a client broke off', error)
      })
    },
    stop() {
      stopped = true
    },
    /** Resolves when an answer contains a text. */
    answered: (text = '') =>
      new Promise<void>((resolve) => {
        listeners.add({ text, resolve })
      }),
  }
}
