import type { Client } from 'pg'
import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  interleave,
  timed,
} from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'
import { createHttpClient } from './support/http-get.ts'
import { startServerProcess } from './support/server-process.ts'
import { deleteShape, readWholeShape } from './support/shape-reader.ts'

const rowCount = 100_000
const rowBytes = 300
const shape = { table: 'items' }

/** Reading a large table as a shape, compared with one `SELECT` of the same rows. */
export const benchmark: Benchmark = { name: 'shape-snapshot', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(async (postgres) => {
    const database = await postgres.connect()
    await createItems(database)
    const server = await startServerProcess({
      program: 'shape-server',
      argument: { database: postgres.url },
      cpuProfileDirectory: context.cpuProfileDirectory,
    })
    const http = createHttpClient({ reusesMemory: true })
    const wholeShape = () => readRows(http, server.url)
    try {
      const samples = await interleave(context.rounds, {
        select: () => timed(() => selectRows(database)),
        cold: async () => {
          await deleteShape(http, server.url, shape)
          return timed(wholeShape)
        },
        warm: () => timed(wholeShape),
      })
      const against = { unit: 'ms', reference: samples.select, referenceName: 'SELECT through pg' }
      return [
        compare({
          ...against,
          name: 'snapshot of 100,000 rows, new shape',
          ours: samples.cold,
          goal: { ratio: 4 },
        }),
        compare({
          ...against,
          name: 'snapshot of 100,000 rows, known shape',
          ours: samples.warm,
          goal: { ratio: 2.5 },
        }),
      ]
    } finally {
      http.close()
      await server.stop()
    }
  })
}

async function createItems(database: Client): Promise<void> {
  await database.query(`
    CREATE TABLE items (id bigint PRIMARY KEY, owner text NOT NULL, body text NOT NULL);
    INSERT INTO items
    SELECT n, 'user-' || n % 100, left(repeat(md5(n::text), 10), ${rowBytes - 20})
    FROM generate_series(1, ${rowCount}) n`)
  await database.query('VACUUM ANALYZE items')
}

async function selectRows(database: Client): Promise<void> {
  const { rows } = await database.query('SELECT id, owner, body FROM items')
  expectRows(rows.length)
}

/** Reads and parses all pages, as `pg` parses its rows. */
async function readRows(http: ReturnType<typeof createHttpClient>, url: string): Promise<void> {
  let rows = 0
  await readWholeShape(http, url, shape, (body) => {
    const messages = JSON.parse(body.toString('utf8')) as { key?: string }[]
    rows += messages.filter((message) => message.key !== undefined).length
  })
  expectRows(rows)
}

function expectRows(found: number): void {
  if (found !== rowCount) throw new Error(`read ${found} rows instead of ${rowCount}`)
}
