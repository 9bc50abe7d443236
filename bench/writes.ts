import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  interleave,
} from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'
import {
  type AppendMessage,
  createWriteTables,
  openWriteWorkloads,
} from './support/write-workloads.ts'

const writesPerSample = 400
const connectionCounts = [1, 16]

/**
 * Appends a message with validation, access, counters and idempotency, against the same written by hand
 * and against a bare INSERT. Each connection appends to its own thread. Measured with commits flushed
 * to disk, as in production, and without, which shows the work alone.
 */
export const benchmark: Benchmark = { name: 'writes', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  const comparisons: Comparison[] = []
  for (const fsync of ['on', 'off']) {
    await withPostgres(
      async (postgres) => {
        await createWriteTables(
          postgres.url,
          await postgres.connect(),
          Math.max(...connectionCounts),
        )
        for (const connections of connectionCounts) {
          context.note(`${connections} connections, fsync ${fsync}`)
          comparisons.push(...(await measure(context, postgres.url, connections, fsync)))
        }
      },
      { fsync },
    )
  }
  return comparisons
}

async function measure(
  context: BenchContext,
  databaseUrl: string,
  connections: number,
  fsync: string,
): Promise<Comparison[]> {
  const { ours, byHand, bareInsert, close } = openWriteWorkloads(databaseUrl, connections)
  const sample = (append: AppendMessage) => () => timePerWrite(append, connections)
  const samples = await interleave(context.rounds, {
    ours: sample(ours),
    byHand: sample(byHand),
    bareInsert: sample(bareInsert),
  })
  await close()
  const name = `append, ${connections} connection${connections === 1 ? '' : 's'}, fsync ${fsync}`
  const unit = 'µs'
  return [
    compare({
      name: `${name}, to by hand`,
      unit,
      ours: samples.ours,
      reference: samples.byHand,
      referenceName: 'BEGIN, txid, access, INSERT, UPDATE, COMMIT',
      goal: { ratio: 1 / 2.5 },
    }),
    compare({
      name: `${name}, to bare`,
      unit,
      ours: samples.ours,
      reference: samples.bareInsert,
      referenceName: 'prepared INSERT, no checks',
      goal: { ratio: Number((1 / 0.6).toFixed(2)) },
    }),
  ]
}

/** Returns microseconds per write with all connections working in parallel. */
async function timePerWrite(append: AppendMessage, connections: number): Promise<number> {
  let left = writesPerSample
  const start = performance.now()
  const worker = async (thread: number) => {
    while (left-- > 0) await append(thread)
  }
  await Promise.all(Array.from({ length: connections }, (_, thread) => worker(thread)))
  return ((performance.now() - start) * 1000) / writesPerSample
}
