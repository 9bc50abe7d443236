import type { ExportedTable } from './exported-tables.ts'
import type { TableColumns } from './table-columns.ts'

/** Where rows cannot be taken as they were, because the database has moved on. */
interface RestoreRule {
  /** Columns that get another value than the row's; `r` is the row. */
  readonly values: Readonly<Record<string, string>>
  readonly joins: (tenant: string) => string
  readonly where: string
}

const asTheyWere: RestoreRule = { values: {}, joins: () => '', where: '' }

const rules: Readonly<Record<string, RestoreRule>> = {
  // Where another thread is active, it stays so.
  chat_threads: {
    values: {
      status: `CASE WHEN r.status = 'active' AND busy.id IS NOT NULL THEN 'archived' ELSE r.status END`,
    },
    joins: (tenant) => `
      LEFT JOIN chat_threads busy ON busy.tenant_id = ${tenant} AND busy.session_id = r.session_id
        AND busy.mode = r.mode AND busy.status = 'active'`,
    where: '',
  },
  // Where a position is taken, a message goes to the end; a client id there already means the same.
  chat_messages: {
    values: {
      position: `CASE WHEN taken.id IS NULL THEN r.position ELSE
        greatest(thread.last_position, max(r.position) OVER (PARTITION BY r.thread_id)) +
        row_number() OVER (PARTITION BY r.thread_id, taken.id IS NULL ORDER BY r.position) END`,
    },
    joins: (tenant) => `
      LEFT JOIN chat_threads thread ON thread.tenant_id = ${tenant} AND thread.id = r.thread_id
      LEFT JOIN chat_messages taken ON taken.tenant_id = ${tenant}
        AND taken.thread_id = r.thread_id AND taken.position = r.position
      LEFT JOIN chat_messages sent ON sent.tenant_id = ${tenant}
        AND sent.thread_id = r.thread_id AND sent.client_message_id = r.client_message_id`,
    where: 'WHERE sent.id IS NULL',
  },
}

/**
 * One statement that inserts what is missing of a table's staged rows and says what became of all of
 * them: `inFile`, `inserted`, `alreadyThere`, `newer`, `differing` and `differingIds`.
 */
export function restoreSql(
  { table, key }: ExportedTable,
  tenant: string,
  { stored, generated }: TableColumns,
  maxListed: number,
): string {
  const rule = rules[table] ?? asTheyWere
  const isThere = key.map((column) => `there.${column} = r.${column}`).join(' AND ')
  const keys = key.join(', ')
  const known = (condition: string) =>
    `EXISTS (SELECT FROM known k WHERE k.n = s.n AND (${condition}))`
  return `
  WITH staged AS MATERIALIZED (
    SELECT s.n, s.row, r.* FROM restored_${table} s, jsonb_populate_record(NULL::${table}, s.row) r
  ), known AS MATERIALIZED (
    SELECT r.n,
      to_jsonb(there) - '{${['tenant_id', ...generated].join(',')}}'::text[] = r.row AS same,
      ${stored.includes('version') ? 'there.version > r.version' : 'false'} AS newer
    FROM staged r JOIN ${table} there ON there.tenant_id = ${tenant} AND ${isThere}
  ), added AS (
    INSERT INTO ${table} (tenant_id, ${stored.join(', ')})
    SELECT ${tenant}, ${stored.map((column) => rule.values[column] ?? `r.${column}`).join(', ')}
    FROM (SELECT * FROM staged s WHERE NOT ${known('true')}) r ${rule.joins(tenant)} ${rule.where}
    RETURNING ${keys}
  ), missing AS (
    SELECT s.n, ${key.map((column) => `s.${column}`).join(', ')} FROM staged s
    WHERE NOT ${known('k.same OR k.newer')}
      AND (${key.map((column) => `s.${column}`).join(', ')}) NOT IN (SELECT ${keys} FROM added)
  )
  SELECT (SELECT count(*)::int FROM staged) AS "inFile",
    (SELECT count(*)::int FROM added) AS inserted,
    (SELECT count(*)::int FROM known WHERE same) AS "alreadyThere",
    (SELECT count(*)::int FROM known WHERE NOT same AND newer) AS newer,
    (SELECT count(*)::int FROM missing) AS differing,
    ARRAY(SELECT concat_ws(' ', ${keys}) FROM missing ORDER BY n LIMIT ${maxListed})
      AS "differingIds"`
}

/** Threads that were there and got more messages are counted again; all others are left as they are. */
export function recountSql(tenant: string): string {
  return `
  UPDATE chat_threads t SET message_count = c.count,
    last_position = greatest(t.last_position, c.last_position),
    last_message_at = newest.created_at, last_message_preview = left(newest.content, 280)
  FROM (
    SELECT thread_id, count(*)::int AS count, max(position) AS last_position
    FROM chat_messages
    WHERE tenant_id = ${tenant} AND thread_id IN (
      SELECT row ->> 'thread_id' FROM restored_chat_messages)
    GROUP BY thread_id
  ) c
  JOIN chat_messages newest ON newest.tenant_id = ${tenant} AND newest.thread_id = c.thread_id
    AND newest.position = c.last_position
  WHERE t.tenant_id = ${tenant} AND t.id = c.thread_id AND t.message_count <> c.count`
}
