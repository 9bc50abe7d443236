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

const sessionOf = (child: RawBuilder<unknown>) => sql`
  JOIN sessions AS session
    ON session.tenant_id = ${child}.tenant_id AND session.id = ${child}.session_id`

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
  timelineEvents: describe('timelineEvents', 'event', sessionOf(sql.id('event'))),
  chatThreads: describe('chatThreads', 'thread', sessionOf(sql.id('thread'))),
  chatMessages: describe(
    'chatMessages',
    'message',
    sql`JOIN chat_threads AS thread
        ON thread.tenant_id = message.tenant_id AND thread.id = message.thread_id
      ${sessionOf(sql.id('message'))}`,
  ),
}
