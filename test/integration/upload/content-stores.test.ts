import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '../../../src/server/migrations/migrate.ts'
import { compress, decompress } from '../../../src/server/uploads/content/chunks.ts'
import type { ContentStore } from '../../../src/server/uploads/content/content-store.ts'
import { createPostgresContentStore } from '../../../src/server/uploads/content/postgres-content-store.ts'
import { createS3ContentStore } from '../../../src/server/uploads/content/s3-content-store.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { createTestPool } from '../server/test-pool.ts'
import { collect, describeContract, keyOf, someBytes, sourceOf } from './content-contract.ts'
import { type S3Server, startS3 } from './s3-server.ts'

let database: TestDatabase
let pool: Pool
let s3: S3Server
let inPostgres: ContentStore
let inS3: ContentStore

beforeAll(async () => {
  database = await freshDatabase()
  pool = createTestPool(database.url)
  await migrate({ database: pool })
  s3 = await startS3()
  inPostgres = createPostgresContentStore({ database: pool })
  inS3 = createS3ContentStore({ client: s3.client, bucket: s3.bucket })
})

afterAll(async () => {
  await s3?.stop()
  await pool.end()
  await database.drop()
})

describeContract('Postgres', () => inPostgres)
describeContract('S3', () => inS3)

describe('in Postgres', () => {
  test('compresses contents and stores each once per tenant', async () => {
    const bytes = someBytes(2_000_000)
    const key = keyOf(bytes, 'small')
    await Promise.all([1, 2].map(() => inPostgres.put(key, sourceOf(bytes))))
    const { rows } = await pool.query(
      `SELECT count(DISTINCT content_id)::int AS contents, sum(length(data))::int AS stored
       FROM session_content_chunks WHERE tenant_id = 'small'`,
    )
    expect(rows[0].contents).toBe(1)
    expect(rows[0].stored).toBeLessThan(100_000)
  })

  test('reads only the chunks that a range covers', async () => {
    const bytes = someBytes(3_000_000)
    const key = keyOf(bytes, 'ranges')
    await inPostgres.put(key, sourceOf(bytes))
    // Reading any other chunk would fail on this.
    await pool.query(
      `UPDATE session_content_chunks SET codec = 'zstd', data = 'broken'
       WHERE tenant_id = 'ranges' AND start <> 524288`,
    )
    const range = { start: 600_000, end: 700_000 }
    const part = await collect(inPostgres.get(key, range))
    expect(part.equals(bytes.subarray(600_000, 700_000))).toBe(true)
    await expect(collect(inPostgres.get(key))).rejects.toThrow()
  })
})

test.each(['gzip', 'zstd'] as const)(
  'reads %s chunks, whatever the current codec is',
  async (codec) => {
    const bytes = someBytes(50_000)
    const compressed = await compress(bytes, codec)
    expect(compressed.codec).toBe(codec)
    expect(Buffer.from(await decompress(compressed)).equals(bytes)).toBe(true)
  },
)
