import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import * as schema from '../../../src/schema/index.ts'
import { migrate } from '../../../src/server/migrations/migrate.ts'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { readColumns } from './database-columns.ts'
import { type EntityDescription, findDrift } from './schema-drift.ts'
import { createTestPool } from './test-pool.ts'

const entities: Record<schema.CollectionName, EntityDescription> = {
  sessions: {
    columns: schema.sessionColumns,
    row: schema.sessionRowSchema,
    insert: schema.sessionInsertSchema,
    update: schema.sessionUpdateSchema,
  },
  sessionGrants: {
    columns: schema.sessionGrantColumns,
    row: schema.sessionGrantRowSchema,
    insert: schema.sessionGrantInsertSchema,
    update: schema.sessionGrantUpdateSchema,
  },
  timelineEvents: {
    columns: schema.timelineEventColumns,
    row: schema.timelineEventRowSchema,
    insert: schema.timelineEventInsertSchema,
    update: schema.timelineEventUpdateSchema,
  },
  chatThreads: {
    columns: schema.chatThreadColumns,
    row: schema.chatThreadRowSchema,
    insert: schema.chatThreadInsertSchema,
    update: schema.chatThreadUpdateSchema,
  },
  chatMessages: {
    columns: schema.chatMessageColumns,
    row: schema.chatMessageRowSchema,
    insert: schema.chatMessageInsertSchema,
    update: schema.chatMessageUpdateSchema,
  },
}
const collections = Object.keys(entities) as schema.CollectionName[]

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await freshDatabase()
  pool = createTestPool(database.url)
  await migrate({ database: pool })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

describe('the migrated database and src/schema agree', () => {
  test.each(collections)('%s', async (name) => {
    const columns = await readColumns(pool, schema.tables[name].name)
    expect(findDrift(entities[name], columns)).toEqual([])
  })

  test.each(collections)('%s: keys, references and replica identity', async (name) => {
    const table = schema.tables[name].name
    const { rows } = await pool.query<{ definition: string; type: string }>(
      `SELECT pg_get_constraintdef(oid) AS definition, contype AS type
       FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('p', 'f', 'u')`,
      [table],
    )
    expect(rows.filter((row) => row.type === 'p')).toEqual([
      { type: 'p', definition: 'PRIMARY KEY (tenant_id, id)' },
    ])
    for (const { definition } of rows.filter((row) => row.type === 'f')) {
      expect(definition).toMatch(/^FOREIGN KEY \(tenant_id, .*\(tenant_id, .* ON DELETE CASCADE$/)
    }
    const identity = await pool.query('SELECT relreplident FROM pg_class WHERE relname = $1', [
      table,
    ])
    expect(identity.rows).toEqual([{ relreplident: 'f' }])
  })

  test.each(collections)('%s: allowed values of columns', async (name) => {
    const { rows } = await pool.query<{ definition: string }>(
      `SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
       WHERE conrelid = $1::regclass AND contype = 'c'`,
      [schema.tables[name].name],
    )
    const { columns, row } = entities[name]
    for (const [property, { name: column }] of Object.entries(columns)) {
      const field = row.shape[property]
      const inCode = field instanceof z.ZodMiniEnum ? [...field.options].sort() : []
      const check = rows.find(({ definition }) => definition.includes(`((${column} = ANY`))
      const inDatabase = [...(check?.definition ?? '').matchAll(/'([^']+)'::text/g)]
      expect([column, inDatabase.map((match) => match[1]).sort()]).toEqual([column, inCode])
    }
  })

  test.each(['', 'x'.repeat(129)])('rejects the tenant id %j', async (tenant) => {
    const inserts = [
      `INSERT INTO sessions (tenant_id, id, owner_id, title) VALUES ($1, 'a', 'b', 'c')`,
      `INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind)
       VALUES ($1, 'a', 'a', 1, 'other')`,
      `INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title)
       VALUES ($1, 'a', 'a', 'b', 'general', 'c')`,
      `INSERT INTO chat_messages
         (tenant_id, id, session_id, thread_id, author_id, role, content, position)
       VALUES ($1, 'a', 'a', 'a', 'b', 'user', 'c', 1)`,
    ]
    for (const insert of inserts) {
      await expect(pool.query(insert, [tenant])).rejects.toThrow(/violates (check|foreign key)/)
    }
  })

  test('chat_message_deltas', async () => {
    const columns = await readColumns(pool, schema.replicatedTables.chatMessageDeltas.name)
    const nothing = z.object({})
    const deltas = {
      columns: schema.chatMessageDeltaColumns,
      row: schema.chatMessageDeltaRowSchema,
      insert: nothing,
      update: nothing,
    }
    expect(findDrift(deltas, columns)).toEqual([])
    const extra = { ...deltas, row: z.extend(deltas.row, { extra: z.string() }) }
    expect(findDrift(extra, columns)).not.toEqual([])
    const { rows } = await pool.query(
      `SELECT relreplident FROM pg_class WHERE relname = 'chat_message_deltas'`,
    )
    expect(rows).toEqual([{ relreplident: 'f' }])
  })

  test('every foreign key has an index that starts with its columns', async () => {
    const { rows } = await pool.query(
      `SELECT conname FROM pg_constraint c WHERE contype = 'f' AND NOT EXISTS (
         SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
           AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)`,
    )
    expect(rows).toEqual([])
  })
})

describe('reports drift', () => {
  const alterations: Record<string, string> = {
    'a column more': 'ALTER TABLE sessions ADD COLUMN extra text',
    'a column less': 'ALTER TABLE sessions DROP COLUMN repo_label',
    'another name': 'ALTER TABLE sessions RENAME COLUMN repo_label TO label',
    'another type': 'ALTER TABLE sessions ALTER COLUMN event_count TYPE bigint',
    'no longer nullable': 'ALTER TABLE sessions ALTER COLUMN repo_label SET NOT NULL',
    'no longer required': 'ALTER TABLE sessions ALTER COLUMN title DROP NOT NULL',
    'another default': "ALTER TABLE sessions ALTER COLUMN visibility SET DEFAULT 'tenant'",
    'no default': 'ALTER TABLE sessions ALTER COLUMN visibility DROP DEFAULT',
  }
  test.each(Object.keys(alterations))('in the database: %s', async (name) => {
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      await client.query(alterations[name] ?? '')
      expect(findDrift(entities.sessions, await readColumns(client, 'sessions'))).not.toEqual([])
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  })

  const { sessions } = entities
  const mutants: Record<string, Partial<EntityDescription>> = {
    'a column left out': { columns: without(sessions.columns, 'repo') },
    'another writability': {
      columns: {
        ...sessions.columns,
        ownerId: { ...schema.sessionColumns.ownerId, writable: 'always' },
      },
    },
    'a row property more': { row: z.extend(sessions.row, { extra: z.string() }) },
    'a row property less': { row: z.omit(sessions.row, { repo: true }) },
    'a row property of another type': { row: z.extend(sessions.row, { eventCount: z.string() }) },
    'a nullable row property': { row: z.extend(sessions.row, { title: z.nullable(z.string()) }) },
    'a row property not nullable': { row: z.extend(sessions.row, { repoLabel: z.string() }) },
    'an insert property more': { insert: z.extend(sessions.insert, { ownerId: z.string() }) },
    'an insert property less': { insert: z.omit(sessions.insert, { repo: true }) },
    'an insert property required': {
      insert: z.extend(sessions.insert, { visibility: schema.sessionVisibilitySchema }),
    },
    'an insert property optional': { insert: z.partial(sessions.insert, { title: true }) },
    'an update property more': {
      update: z.extend(sessions.update, { id: z.optional(z.string()) }),
    },
    'an update property less': { update: z.omit(sessions.update, { title: true }) },
    'an update property required': { update: z.extend(sessions.update, { title: z.string() }) },
  }
  test.each(Object.keys(mutants))('in src/schema: %s', async (name) => {
    const columns = await readColumns(pool, 'sessions')
    expect(findDrift({ ...sessions, ...mutants[name] }, columns)).not.toEqual([])
  })
})

function without<Map extends object>(map: Map, key: keyof Map & string): Omit<Map, typeof key> {
  const { [key]: _, ...rest } = map
  return rest
}
