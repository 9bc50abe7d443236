import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { Pool } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createShapeServer } from '../../../../src/dev/shape-server/index.ts'
import {
  column,
  createSessionCollections,
  defineShape,
  type Principal,
  sessionShapes,
  where,
} from '../../../../src/index.ts'
import {
  MIGRATIONS_TABLE,
  REPLICATED_TABLES,
  SERVER_TABLES,
} from '../../../../src/ops/electric-setup/names.ts'
import { createSessionStore, createShapeProxy } from '../../../../src/server/index.ts'
import { migratedDatabase } from '../../../support/database.ts'
import { query } from '../../../support/query.ts'
import { serve } from '../../../unit/proxy/serve.ts'

const ann: Principal = { tenantId: 'acme', userId: 'ann' }

test('docs/recipes/drizzle-and-prisma.md', async () => {
  const database = await migratedDatabase()
  onTestFinished(() => database.drop())
  process.env.DATABASE_URL = database.url
  await query(
    database.url,
    `CREATE TABLE bookmarks (tenant_id text NOT NULL, id text NOT NULL, session_id text NOT NULL,
       note text NOT NULL, PRIMARY KEY (tenant_id, id),
       FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE)`,
  )

  const pool = new Pool({ connectionString: process.env.DATABASE_URL })
  const store = createSessionStore({ database: pool })
  const orm = drizzle(pool)

  const bookmarks = pgTable(
    'bookmarks',
    {
      tenantId: text('tenant_id').notNull(),
      id: text('id').notNull(),
      sessionId: text('session_id').notNull(),
      note: text('note').notNull(),
    },
    (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
  )

  async function addBookmark({ tenantId }: Principal, id: string, sessionId: string, note: string) {
    return await orm.transaction(async (tx) => {
      await tx.insert(bookmarks).values({ tenantId, id, sessionId, note })
      const { rows } = await tx.execute<{ txid: string }>(
        sql`SELECT pg_current_xact_id()::xid::text AS txid`,
      )
      return { txid: Number(rows[0]?.txid) }
    })
  }

  const value = { id: 's1', title: 'Review' }
  const mutations = [{ collection: 'sessions', type: 'insert', value }]
  await store.write(ann, { id: 'b1', mutations })
  const columns = {
    tenantId: column('tenant_id', 'text'),
    id: column('id', 'text'),
    sessionId: column('session_id', 'text'),
    note: column('note', 'text'),
  }
  const ofSession = defineShape({
    table: 'bookmarks',
    columns,
    rows: () => where.eq('session_id', 's1'),
  })
  const shapes = { ...sessionShapes, bookmarks: ofSession }
  const engine = await createShapeServer({ database: database.url })
  const { url: electricUrl } = await engine.listen()
  const app = await serve(createShapeProxy({ electricUrl, shapes, authenticate: () => ann }))
  const writeAdapter = () => Promise.reject(new Error('the store writes here'))
  const db = createSessionCollections({ electricUrl: `${app.url}/shapes`, shapes, writeAdapter })
  const synced = db.shape('bookmarks')
  await synced.preload()
  const { txid } = await addBookmark(ann, 'k1', 's1', 'Look here')
  await db.confirm(synced, txid)
  expect(synced.get('k1')).toMatchObject({ note: 'Look here', sessionId: 's1' })
  await db.cleanup()
  await app.close()
  await engine.close()
  await store.close()
  await pool.end()
})

test('the filter matches exactly the tables of the library', () => {
  const tablesFilter = [
    '!applied_batches',
    '!chat_attachment_chunks',
    '!chat_attachments',
    '!chat_message_deltas',
    '!chat_message_feedback',
    '!chat_message_usage',
    '!chat_messages',
    '!chat_thread_states',
    '!chat_threads',
    '!session_audit',
    '!session_content_chunks',
    '!session_content_garbage',
    '!session_contents',
    '!session_db_migrations',
    '!session_grants',
    '!session_uploads',
    '!sessions',
    '!timeline_events',
  ]
  const own = [...REPLICATED_TABLES, ...SERVER_TABLES, MIGRATIONS_TABLE]
  expect(tablesFilter).toEqual(own.map((name) => `!${name}`).toSorted())
})
