import { type RawBuilder, sql } from 'kysely'
import { type CollectionName, type ColumnMap, tables } from '../../schema/index.ts'

/** How statements on one collection are put together. */
export interface CollectionSql {
  readonly table: RawBuilder<unknown>
  /** What the table is called in statements and in the policy's conditions. */
  readonly alias: RawBuilder<unknown>
  /** The row with its parents, each by the name that the policy's conditions use. */
  readonly from: RawBuilder<unknown>
  readonly columns: ColumnMap
  /** Whether rows have a version. */
  readonly versioned: boolean
}

/**
 * Joins the session of a row. OFFSET 0 keeps the planner from joining on `tenant_id` alone, which it
 * takes for just as good until the tables have been analyzed for the first time.
 */
export function joinSession(child: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
  CROSS JOIN LATERAL (
    SELECT * FROM sessions s
    WHERE s.tenant_id = ${child}.tenant_id AND s.id = ${child}.session_id OFFSET 0
  ) AS session`
}

const joinThreadOfMessage = sql`
  CROSS JOIN LATERAL (
    SELECT * FROM chat_threads t
    WHERE t.tenant_id = message.tenant_id AND t.id = message.thread_id OFFSET 0
  ) AS thread`

function describe(collection: CollectionName, alias: string, parents: RawBuilder<unknown>) {
  const { name, columns } = tables[collection]
  const [table, aliasName] = [sql.id(name), sql.id(alias)]
  return {
    table,
    alias: aliasName,
    from: sql`${table} AS ${aliasName} ${parents}`,
    columns,
    versioned: 'version' in columns,
  }
}

export const collectionSql: Readonly<Record<CollectionName, CollectionSql>> = {
  sessions: describe('sessions', 'session', sql``),
  timelineEvents: describe('timelineEvents', 'event', joinSession(sql.id('event'))),
  chatThreads: describe('chatThreads', 'thread', joinSession(sql.id('thread'))),
  chatMessages: describe(
    'chatMessages',
    'message',
    sql`${joinThreadOfMessage} ${joinSession(sql.id('message'))}`,
  ),
}
