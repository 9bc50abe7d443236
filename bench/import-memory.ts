import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '../src/server/migrations/migrate.ts'
import { type BenchContext, type Benchmark, type Comparison, compare } from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'
import { importInProcess } from './support/import-process.ts'
import { type SnapshotSize, writeLegacySnapshot } from './support/legacy-snapshot.ts'

const GIGABYTE: SnapshotSize = { messages: 260_000, threads: 1_000, lines: 100 }
/** A tenth of it: past this the process must not grow. */
const TENTH: SnapshotSize = { ...GIGABYTE, messages: GIGABYTE.messages / 10 }
const MEMORY_GOAL_MB = 100

/** The memory of the process that imports a file of 1 GB, against that for a tenth of it. */
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
        if (size === GIGABYTE && bytes < 1e9) throw new Error(`The file has only ${bytes} bytes.`)
        return rssMb
      } finally {
        await rm(directory, { recursive: true })
      }
    }
    const tenth = await peakOf(TENTH)
    return [
      compare({
        name: 'peak memory for a file of 1 GB',
        unit: 'MB',
        ours: [await peakOf(GIGABYTE)],
        reference: [tenth],
        referenceName: 'for a tenth of it',
        goal: { over: MEMORY_GOAL_MB },
      }),
    ]
  })
}
