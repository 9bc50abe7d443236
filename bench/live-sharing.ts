import { setTimeout as delay } from 'node:timers/promises'
import { type BenchContext, type Benchmark, type Comparison, compare } from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'
import { addMessage, createDomain } from './support/domain-data.ts'
import { followShapes } from './support/live-follower.ts'
import { startServerProcess } from './support/server-process.ts'

const commitsPerRound = 30
const warmUpCommits = 30
/** Time for a poll to reach the engine and wait there before the next commit. */
const pauseMs = 6
/** Time for the shared polls of a page to merge on one connection. */
const settleMs = 5_000

/** Measures commit to live response with shared connections, against one connection per poll. */
export const benchmark: Benchmark = { name: 'live-sharing', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(async (postgres) => {
    const database = await postgres.connect()
    await createDomain(postgres.url, database)
    const server = await startServerProcess({
      program: 'shape-app',
      argument: { databaseUrl: postgres.url },
      cpuProfileDirectory: context.cpuProfileDirectory,
    })
    const commit = countedMessages(database)
    try {
      const comparisons: Comparison[] = []
      for (const count of [4, 48]) {
        context.note(`${count} live shapes`)
        comparisons.push(...(await measure(context, `${server.url}/shapes`, count, commit)))
      }
      return comparisons
    } finally {
      await server.stop()
    }
  })
}

function countedMessages(database: Parameters<typeof addMessage>[0]) {
  let sent = 0
  return () => {
    sent += 1
    return addMessage(database, sent)
  }
}

/** Both follow the same shapes and commits, so that other load slows both. */
async function measure(
  context: BenchContext,
  shapesUrl: string,
  count: number,
  commit: () => Promise<void>,
): Promise<Comparison[]> {
  const idle = Array.from(
    { length: count - 1 },
    (_, n) => `thread-messages?sessionId=session-1&threadId=idle-${n}`,
  )
  const shapes = ['session-messages?sessionId=session-1', ...idle]
  const shared = await followShapes(shapesUrl, shapes, true)
  const plain = await followShapes(shapesUrl, shapes, false)
  await delay(settleMs)
  const samples: { ours: number[]; reference: number[] } = { ours: [], reference: [] }
  const connections: { ours: number[]; reference: number[] } = { ours: [], reference: [] }
  try {
    for (let n = 1; n <= warmUpCommits + context.rounds * commitsPerRound; n++) {
      await delay(pauseMs)
      const seen = [shared.nextRows(), plain.nextRows()]
      const start = performance.now()
      const since = () => performance.now() - start
      const [ours, reference] = await Promise.all([
        ...seen.map((each) => each.then(since)),
        commit(),
      ])
      if (n <= warmUpCommits) continue
      samples.ours.push(ours as number)
      samples.reference.push(reference as number)
      connections.ours.push(shared.connections())
      connections.reference.push(plain.connections())
    }
  } finally {
    shared.stop()
    plain.stop()
  }
  return [
    compare({
      name: `commit to live answer, ${count} live shapes`,
      unit: 'ms',
      ...samples,
      referenceName: 'a connection for each poll',
      goal: { over: 1 },
    }),
    compare({
      name: `live connections, ${count} live shapes`,
      unit: 'connections',
      ...connections,
      referenceName: 'a connection for each poll',
      goal: { ratio: 2 / count },
    }),
  ]
}
