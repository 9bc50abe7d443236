import type { Pool } from 'pg'
import type { AppPrincipal } from './app-shapes.ts'

/** A row as the engine sends it: the text of every visible column. */
export type TextRow = Readonly<Record<string, string | null>>

/** Columns that no browser may receive. */
const hiddenColumns = [
  'content_ref',
  'content_sha256',
  'previous_head_id',
  'title_set',
  'secret_note',
  'derived_by',
  'more_words',
  'total_bytes',
  'audiences',
  'members',
  'editors',
]

interface Rule {
  readonly table: string
  readonly param: 'sessionId' | 'threadId' | 'folderId' | null
  /** Condition on row `t`: $1 tenant, $2 user, $3 is admin, $4 the parameter, $5 the audience or null. */
  readonly where: string
  /** Required query parameters, beside the one of `param` with this value. */
  readonly also?: (value: string) => string
  /** Further hidden columns. */
  readonly hidden?: readonly string[]
}

/** A grantee is one of the principal. */
const isOwn = (grantee: string) =>
  `(${grantee} IN ('tenant', 'user:' || $2) OR ($3::boolean AND ${grantee} = 'team:admins'))`
/** The principal owns session `s`, or has one of these roles in it; through the audience, if there is one. */
const has = (roles: string) => `(
  (s.owner_id = $2 AND ($5::text IS NULL OR $5 = 'user:' || $2)) OR EXISTS (
    SELECT FROM session_grants g WHERE g.tenant_id = s.tenant_id AND g.session_id = s.id
      AND g.role IN (${roles}) AND ($5::text IS NULL OR g.grantee = $5) AND ${isOwn('g.grantee')}))`
const inSession = (condition: string) =>
  `EXISTS (SELECT FROM sessions s WHERE s.tenant_id = $1 AND s.id = t.session_id AND ${condition})`
const visible = inSession(has("'viewer', 'member', 'editor'"))
const unused = (...numbers: number[]) => numbers.map((n) => ` AND $${n}::text IS NOT NULL`).join('')

/** The access rule as SQL, written independently of the registry. */
export const rules: Readonly<Record<string, Rule>> = {
  sessions: {
    table: 'sessions',
    param: null,
    where: `${has("'viewer', 'member', 'editor'").replaceAll('s.', 't.')}${unused(4)}`,
  },
  'session-grants': {
    table: 'session_grants',
    param: 'sessionId',
    where: `t.session_id = $4 AND (${isOwn('t.grantee')} OR ${inSession(has("'editor'"))})`,
  },
  'session-timeline': child('timeline_events', 'session_id', 'sessionId'),
  'session-timeline-window': {
    ...child('timeline_events', 'session_id', 'sessionId', 'AND t.seq >= 1 AND t.seq < 3'),
    also: () => 'fromSeq=1&toSeq=3',
  },
  threads: { table: 'chat_threads', param: null, where: `${visible}${unused(4)}` },
  'thread-states': {
    table: 'chat_thread_states',
    param: null,
    where: `t.user_id = $2${unused(3, 4)}`,
  },
  'session-feedback': {
    table: 'chat_message_feedback',
    param: 'sessionId',
    where: `t.session_id = $4 AND t.user_id = $2${unused(3)}`,
  },
  'session-threads': child('chat_threads', 'session_id', 'sessionId'),
  'session-messages': child('chat_messages', 'session_id', 'sessionId'),
  // A thread `th-s1` belongs to session `s1`.
  'thread-messages-window': {
    ...child(
      'chat_messages',
      'thread_id',
      'threadId',
      `AND t.session_id = regexp_replace($4, '^th-', '') AND t.position >= 1 AND t.position < 3`,
    ),
    also: (threadId) =>
      `sessionId=${encodeURIComponent(threadId.replace(/^th-/, '') || 'none')}&fromPosition=1&toPosition=3`,
  },
  'thread-message': {
    ...child(
      'chat_messages',
      'thread_id',
      'threadId',
      `AND t.session_id = regexp_replace($4, '^th-', '') AND t.id = 'm-s1-1'`,
    ),
    also: (threadId) =>
      `sessionId=${encodeURIComponent(threadId.replace(/^th-/, '') || 'none')}&messageId=m-s1-1`,
  },
  'thread-messages': {
    ...child(
      'chat_messages',
      'thread_id',
      'threadId',
      `AND t.session_id = regexp_replace($4, '^th-', '')`,
    ),
    also: (threadId) => `sessionId=${encodeURIComponent(threadId.replace(/^th-/, '') || 'none')}`,
  },
  'session-deltas': {
    ...child('chat_message_deltas', 'session_id', 'sessionId'),
    also: () => 'epoch=5',
    hidden: ['session_id', 'epoch', 'created_at'],
  },
  'folder-projects': {
    table: 'folder_projects',
    param: 'folderId',
    where: `t.folder_id = $4 AND ($3::boolean OR EXISTS (SELECT FROM folder_project_members m
      WHERE m.tenant_id = $1 AND m.project_id = t.id AND m.user_id = $2))`,
  },
}

/** Every name that someone may be granted a session by. */
export const grantees = [
  ...['tenant', 'user:ann', 'user:bob', 'user:eve'],
  // No principal belongs to the writers, who have a grant.
  ...['team:admins', 'team:writers'],
]

/** The grantees of a principal, the widest first. */
export function granteesOf({ userId, isAdmin }: AppPrincipal): readonly string[] {
  return ['tenant', ...(isAdmin ? ['team:admins'] : []), `user:${userId}`]
}

const OWN_SHAPES = ['session-grants', 'thread-states', 'session-feedback', 'folder-projects']

/** Returns true for shapes with the parameter `audience`. */
export function takesAudience(shape: string): boolean {
  return Object.hasOwn(rules, shape) && !OWN_SHAPES.includes(shape)
}

function child(table: string, column: string, param: Rule['param'], more = ''): Rule {
  return { table, param, where: `t.${column} = $4 AND ${visible} ${more}` }
}

/** The SQL reference. Results are cached, so the data must not change. */
export interface Truth {
  /** A principal's rows of a shape, by key; only those visible through the audience, if there is one. */
  rows(
    who: AppPrincipal,
    shape: string,
    param: string,
    audience?: string | null,
  ): Promise<ReadonlyMap<string, TextRow>>
  /** All markers a principal may see. */
  markers(who: AppPrincipal): Promise<ReadonlySet<string>>
}

/** Markers in texts, unique to each row: \`«t1/s1/title»\`. */
export const MARKER = /«[^»]*»/gu

export function createTruth(pool: Pool): Truth {
  const known = new Map<string, Promise<ReadonlyMap<string, TextRow>>>()
  const knownMarkers = new Map<string, Promise<ReadonlySet<string>>>()

  async function columnsOf({ table, hidden = [] }: Rule): Promise<string[]> {
    const { rows } = await pool.query<{ column_name: string }>(
      `SELECT column_name FROM information_schema.columns
       WHERE table_schema = 'public' AND table_name = $1 AND NOT column_name = ANY($2)`,
      [table, [...hiddenColumns, ...hidden]],
    )
    return rows.map(({ column_name }) => column_name)
  }

  async function select(
    who: AppPrincipal,
    rule: Rule,
    param: string,
    audience: string | null = null,
  ) {
    const { table, where } = rule
    const columns = await columnsOf(rule)
    const texts = columns.map((name) => `t."${name}"::text AS "${name}"`)
    const { rows } = await pool.query<TextRow>(
      `SELECT ${texts.join(', ')} FROM ${table} t
       WHERE t.tenant_id = $1 AND ${where} AND ($5::text IS NULL OR ${isOwn('$5')})`,
      [who.tenantId, who.userId, who.isAdmin, param, audience],
    )
    return new Map(rows.map((row) => [keyOf(row), row]))
  }

  async function markersOf(who: AppPrincipal): Promise<ReadonlySet<string>> {
    const found = new Set<string>()
    for (const rule of Object.values(rules)) {
      const anyParam = {
        ...rule,
        where: rule.where.replace(/t\.\w+ = \$4/, '$4::text IS NOT NULL'),
      }
      for (const row of (await select(who, anyParam, '')).values()) {
        for (const [mark] of JSON.stringify(row).matchAll(MARKER)) found.add(mark)
      }
    }
    return found
  }

  return {
    rows(who, shape, param, audience = null) {
      const rule = rules[shape]
      if (!rule) return Promise.resolve(new Map())
      const key = JSON.stringify([who, shape, param, audience])
      return remember(known, key, () => select(who, rule, param, audience))
    },
    markers: (who) => remember(knownMarkers, JSON.stringify(who), () => markersOf(who)),
  }
}

export function keyOf(row: TextRow): string {
  return JSON.stringify([row.tenant_id, row.id ?? row.message_id ?? row.thread_id, row.seq])
}

function remember<Value>(
  known: Map<string, Promise<Value>>,
  key: string,
  find: () => Promise<Value>,
): Promise<Value> {
  const found = known.get(key) ?? find()
  known.set(key, found)
  return found
}
