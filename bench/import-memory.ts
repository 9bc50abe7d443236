import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '../src/server/migrations/migrate.ts'
import { type BenchContext, type Benchmark, type Comparison, compare } from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'
import { importInProcess } from './support/import-process.ts'
import { type SnapshotSize, writeLegacySnapshot } from './support/legacy-snapshot.ts'

const LARGE: SnapshotSize = { messages: 50_000, threads: 1_000, lines: 100 }
const TENTH: SnapshotSize = { ...LARGE, messages: LARGE.messages / 10 }
const LARGE_BYTES = 200e6
const MEMORY_GOAL_MB = 100

/** Peak memory of a process that imports 200 MB of JSON, compared with a tenth of it. */
export const benchmark: Benchmark = { name: 'import-memory', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(async ({ url, connect }) => {
    await migrate({ database: url })
    const client = await connect()
    const peakOf = async (size: SnapshotSize): Promise<number> => {
      const directory = await mkdtemp(join(tmpdir(), 'session-db-bench-import-'))
      try {
        await client.query('TRUNCATE sessions CASCADE')
        await writeLegacySnapshot(directory, size)
        const bytes = (await stat(join(directory, 'chat-messages.json'))).size
        const { rssMb } = await importInProcess(url, directory)
        context.note(`${(bytes / 1e6).toFixed(0)} MB: ${rssMb.toFixed(0)} MB of memory`)
        if (size === LARGE && bytes < LARGE_BYTES)
          throw new Error(`The file has only ${bytes} bytes.`)
        return rssMb
      } finally {
        await rm(directory, { recursive: true })
      }
    }
    const tenth = await peakOf(TENTH)
    return [
      compare({
        name: 'peak memory for a file of 200 MB',
        unit: 'MB',
        ours: [await peakOf(LARGE)],
        reference: [tenth],
        referenceName: 'for a tenth of it',
        goal: { over: MEMORY_GOAL_MB },
      }),
    ]
  })
}
