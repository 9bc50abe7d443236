import { setTimeout as delay } from 'node:timers/promises'
import { type BenchContext, type Benchmark, type Comparison, compare } from './harness.ts'
import { startBareStream } from './support/bare-stream.ts'
import { type BenchPostgres, withPostgres } from './support/bench-postgres.ts'
import { addMessage, createDomain, sessionMessagesQuery } from './support/domain-data.ts'
import { createHttpClient, type HttpClient } from './support/http-get.ts'
import { followShape } from './support/live-client.ts'
import { startServerProcess } from './support/server-process.ts'
import type { ShapeQuery } from './support/shape-reader.ts'

const commitsPerRound = 50
const warmUpCommits = 50
/** Long enough for a poll to reach the server and wait there before the next commit. */
const pauseMs = 4

/** Time from sending a commit to reading its live answer, compared with the replication stream's own delay. */
export const benchmark: Benchmark = { name: 'shape-live', run }

interface Path {
  readonly name: string
  readonly tables: readonly string[]
  readonly query: ShapeQuery
  readonly commit: (n: number) => Promise<void>
}

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(async (postgres) => {
    const paths = await createPaths(postgres)
    const server = await startServerProcess({
      program: 'shape-server',
      argument: { database: postgres.url },
      cpuProfileDirectory: context.cpuProfileDirectory,
    })
    const http = createHttpClient()
    try {
      const comparisons: Comparison[] = []
      for (const path of paths) {
        const samples = await measure(context, postgres, http, server.url, path)
        comparisons.push(
          compare({
            name: path.name,
            unit: 'ms',
            ...samples,
            referenceName: 'bare pgoutput stream, same commits',
            goal: { over: 3 },
          }),
        )
      }
      return comparisons
    } finally {
      http.close()
      await server.stop()
    }
  })
}

async function createPaths(postgres: BenchPostgres): Promise<Path[]> {
  const database = await postgres.connect()
  await createDomain(postgres.url, database)
  await database.query('CREATE TABLE items (id bigint PRIMARY KEY, body text NOT NULL)')
  const insertItem = { name: 'add-item', text: 'INSERT INTO items VALUES ($1, $2)' }
  return [
    {
      name: 'commit to live answer, plain shape',
      tables: ['items'],
      query: { table: 'items' },
      commit: async (n) => {
        await database.query({ ...insertItem, values: [n, 'x'.repeat(300)] })
      },
    },
    {
      name: 'commit to live answer, session-messages',
      tables: ['chat_messages', 'sessions'],
      query: sessionMessagesQuery(),
      commit: (n) => addMessage(database, n),
    },
  ]
}

/** Both sides see the same commits, so that other load slows both. */
async function measure(
  context: BenchContext,
  postgres: BenchPostgres,
  http: HttpClient,
  serverUrl: string,
  path: Path,
): Promise<{ ours: number[]; reference: number[] }> {
  const client = await followShape(http, serverUrl, path.query)
  let seen = () => {}
  const stream = await startBareStream({
    databaseUrl: postgres.url,
    name: `bare_${path.tables[0]}`,
    tables: path.tables,
    onCommit: () => seen(),
  })
  const samples: { ours: number[]; reference: number[] } = { ours: [], reference: [] }
  const commits = warmUpCommits + context.rounds * commitsPerRound
  for (let n = 1; n <= commits; n++) {
    const poll = client.poll()
    await delay(pauseMs)
    const streamed = new Promise<void>((resolve) => {
      seen = resolve
    })
    const start = performance.now()
    const since = () => performance.now() - start
    const commit = path.commit(n)
    const [ours, reference] = await Promise.all([poll.then(since), streamed.then(since), commit])
    if (n <= warmUpCommits) continue
    samples.ours.push(ours)
    samples.reference.push(reference)
  }
  await stream.stop()
  return samples
}
