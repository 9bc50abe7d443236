import { PREVIEW_LENGTH, type Principal } from '../../../src/schema/index.ts'
import type {
  AppliedMutation,
  ErrorCode,
  RowMutation,
  WriteBatch,
} from '../../../src/writes/index.ts'

/** A row: the columns that rules depend on, and the others in `values`. */
interface Row {
  readonly tenant: string
  readonly id: string
  readonly session: string
  readonly thread: string | null
  /** Owner, creator or author; null for events. */
  readonly by: string | null
  readonly version: number | null
  readonly values: Readonly<Record<string, unknown>>
}

type Table = Map<string, Row>
type Tables = Record<RowMutation['collection'], Table>

export type OracleAnswer =
  | { readonly changed: boolean; readonly mutations: AppliedMutation[] }
  | { readonly code: ErrorCode }

class Refused extends Error {
  readonly code: ErrorCode
  constructor(code: ErrorCode) {
    super(code)
    this.code = code
  }
}

const VERSIONLESS = 'timelineEvents'
const keyOf = (tenant: string, id: string) => JSON.stringify([tenant, id])

/** A reference model of the store: one batch after the other, in memory. */
export function createOracle() {
  let tables: Tables = {
    sessions: new Map(),
    sessionGrants: new Map(),
    timelineEvents: new Map(),
    chatThreads: new Map(),
    chatMessages: new Map(),
  }
  const applied = new Map<string, { content: string; answer: OracleAnswer }>()

  return {
    tables: () => tables,
    apply(principal: Principal, batch: WriteBatch): OracleAnswer {
      const key = JSON.stringify([principal.tenantId, principal.userId, batch.id])
      const content = JSON.stringify(batch.mutations)
      const earlier = applied.get(key)
      if (earlier !== undefined) {
        return earlier.content === content ? earlier.answer : { code: 'conflict' }
      }
      const before = copy(tables)
      try {
        const steps = batch.mutations.map((mutation) =>
          applyMutation(tables, principal, mutation as RowMutation),
        )
        const answer = {
          changed: steps.some((step) => step.changed),
          mutations: steps.map((step) => step.mutation),
        }
        applied.set(key, { content, answer })
        return answer
      } catch (error) {
        tables = before
        if (error instanceof Refused) return { code: error.code }
        throw error
      }
    },
  }
}

function copy(tables: Tables): Tables {
  return {
    sessions: new Map(tables.sessions),
    sessionGrants: new Map(tables.sessionGrants),
    timelineEvents: new Map(tables.timelineEvents),
    chatThreads: new Map(tables.chatThreads),
    chatMessages: new Map(tables.chatMessages),
  }
}

interface Step {
  readonly changed: boolean
  readonly mutation: AppliedMutation
}

function applyMutation(tables: Tables, principal: Principal, mutation: RowMutation): Step {
  const { collection, type } = mutation
  if (mutation.type === 'append') throw new Error('The oracle knows nothing of streams')
  if (type === 'insert') return insert(tables, principal, mutation)
  const row = tables[collection].get(keyOf(principal.tenantId, mutation.id))
  if (row === undefined) throw new Refused('not_found')
  const session = visibleSession(tables, principal, row.session)
  const isOwner = session.by === principal.userId
  if (!isOwner && row.by !== principal.userId) throw new Refused('forbidden')
  const { expectedVersion } = mutation
  if (expectedVersion !== undefined && expectedVersion !== row.version)
    throw new Refused('conflict')
  const done = { collection, type, id: row.id }
  if (type === 'delete') {
    remove(tables, collection, row)
    return { changed: true, mutation: { ...done, version: null } }
  }
  const updated: Row = { ...row, values: { ...row.values, ...mutation.changes } }
  if (collection === VERSIONLESS) {
    put(tables, collection, updated)
    const changed = JSON.stringify(updated) !== JSON.stringify(row)
    const same = { ...done, version: null }
    return { changed, mutation: changed ? same : { ...same, unchanged: true } }
  }
  if (updated.values.status === 'active' && row.values.status !== 'active') archive(tables, updated)
  const version = (row.version ?? 0) + 1
  put(tables, collection, { ...updated, version })
  if (collection === 'chatMessages') recount(tables, updated, 0)
  return { changed: true, mutation: { ...done, version } }
}

function insert(
  tables: Tables,
  principal: Principal,
  mutation: Extract<RowMutation, { type: 'insert' }>,
): Step {
  const { collection, type } = mutation
  const { tenantId: tenant, userId: by } = principal
  const { id, ...rest } = mutation.value
  const row = { tenant, id, by, thread: null, version: 1 }
  const done = { collection, type, id, version: collection === VERSIONLESS ? null : 1 }
  const add = (added: Row) => {
    if (tables[collection].has(keyOf(tenant, id))) throw new Refused('conflict')
    put(tables, collection, added)
    return { changed: true, mutation: done }
  }
  switch (mutation.collection) {
    case 'sessionGrants':
      throw new Error('The oracle does not know grants.')
    case 'sessions':
      return add({ ...row, session: id, values: { visibility: 'private', ...rest } })
    case 'timelineEvents': {
      const { sessionId: session, seq } = mutation.value
      const parent = visibleSession(tables, principal, session)
      if (parent.by !== principal.userId) throw new Refused('forbidden')
      const events = childrenOf(tables.timelineEvents, parent)
      if (events.some((event) => event.values.seq === seq)) throw new Refused('conflict')
      return add({ ...row, by: null, version: null, session, values: { title: null, ...rest } })
    }
    case 'chatThreads': {
      const { sessionId: session } = mutation.value
      visibleSession(tables, principal, session)
      const counters = { count: 0, lastPosition: 0, preview: null, head: null }
      const added = { ...row, session, values: { status: 'active', ...rest, ...counters } }
      const step = add(added)
      if (added.values.status === 'active') archive(tables, added)
      return step
    }
    case 'chatMessages': {
      const { threadId, clientMessageId } = mutation.value
      const thread = tables.chatThreads.get(keyOf(tenant, threadId))
      if (thread === undefined) throw new Refused('not_found')
      visibleSession(tables, principal, thread.session)
      const earlier = messagesOf(tables, thread).find(
        (message) => message.values.clientMessageId === clientMessageId,
      )
      if (clientMessageId && earlier) {
        const { id, version } = earlier
        return { changed: false, mutation: { ...done, id, version, unchanged: true } }
      }
      const position = Number(thread.values.lastPosition) + 1
      const { session } = thread
      const values = { clientMessageId: null, ...rest, position, parent: thread.values.head }
      const added = { ...row, session, thread: threadId, values }
      const step = add(added)
      put(tables, 'chatThreads', { ...thread, values: { ...thread.values, head: id } })
      recount(tables, added, 1)
      return step
    }
  }
}

function visibleSession(tables: Tables, principal: Principal, id: string): Row {
  const session = tables.sessions.get(keyOf(principal.tenantId, id))
  const visible = session?.by === principal.userId || session?.values.visibility === 'tenant'
  if (session === undefined || !visible) throw new Refused('not_found')
  return session
}

function put(tables: Tables, collection: RowMutation['collection'], row: Row): void {
  tables[collection].set(keyOf(row.tenant, row.id), row)
}

function childrenOf(table: Table, session: Row): Row[] {
  const { tenant, id } = session
  return [...table.values()].filter((row) => row.tenant === tenant && row.session === id)
}

function messagesOf(tables: Tables, thread: Row): Row[] {
  return [...tables.chatMessages.values()]
    .filter((row) => row.tenant === thread.tenant && row.thread === thread.id)
    .sort((one, other) => Number(one.values.position) - Number(other.values.position))
}

function archive(tables: Tables, active: Row): void {
  for (const row of tables.chatThreads.values()) {
    const same = row.tenant === active.tenant && row.session === active.session
    if (!same || row.id === active.id || row.values.mode !== active.values.mode) continue
    if (row.values.status !== 'active') continue
    const values = { ...row.values, status: 'archived' }
    put(tables, 'chatThreads', { ...row, values, version: (row.version ?? 0) + 1 })
  }
}

/** Updates a thread's counters after a message was added (1), edited (0) or deleted (-1). */
function recount(tables: Tables, message: Row, difference: -1 | 0 | 1): void {
  const thread = tables.chatThreads.get(keyOf(message.tenant, message.thread ?? ''))
  if (thread === undefined) return
  const messages = messagesOf(tables, thread)
  const newest = messages.at(-1)
  const shown = messages.findLast(({ values }) => values.role !== 'tool')
  const preview =
    shown === undefined ? null : [...String(shown.values.content)].slice(0, PREVIEW_LENGTH).join('')
  if (difference === 0 && preview === thread.values.preview) return
  const lastPosition = Math.max(
    Number(thread.values.lastPosition),
    Number(newest?.values.position ?? 0),
  )
  const values = { ...thread.values, count: messages.length, lastPosition, preview }
  put(tables, 'chatThreads', { ...thread, values, version: (thread.version ?? 0) + 1 })
}

function remove(tables: Tables, collection: RowMutation['collection'], row: Row): void {
  tables[collection].delete(keyOf(row.tenant, row.id))
  if (collection === 'sessions') {
    for (const event of childrenOf(tables.timelineEvents, row))
      remove(tables, 'timelineEvents', event)
    for (const thread of childrenOf(tables.chatThreads, row)) remove(tables, 'chatThreads', thread)
  }
  if (collection === 'chatThreads') {
    for (const message of messagesOf(tables, row)) remove(tables, 'chatMessages', message)
  }
  if (collection === 'chatMessages') {
    attachFollowers(tables, row)
    recount(tables, row, -1)
  }
}

/** The messages that follow a deleted one, and the head of its thread, move to the message before it. */
function attachFollowers(tables: Tables, { tenant, id, thread, values: { parent } }: Row): void {
  for (const row of tables.chatMessages.values()) {
    if (row.tenant !== tenant || row.thread !== thread || row.values.parent !== id) continue
    const values = { ...row.values, parent }
    put(tables, 'chatMessages', { ...row, values, version: (row.version ?? 0) + 1 })
  }
  const of = tables.chatThreads.get(keyOf(tenant, thread ?? ''))
  if (of?.values.head !== id) return
  put(tables, 'chatThreads', { ...of, values: { ...of.values, head: parent } })
}
