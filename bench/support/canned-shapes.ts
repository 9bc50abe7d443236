import { tables } from '../../src/schema/tables.ts'

/** Rows in wire form, by the name of their shape. */
export type CannedRows = Readonly<Record<string, readonly Record<string, string | null>[]>>

const TABLE_OF = {
  'session-timeline': tables.timelineEvents,
  'session-threads': tables.chatThreads,
  'thread-messages': tables.chatMessages,
} as const

const TYPE_NAMES: Readonly<Record<string, string>> = {
  'timestamp with time zone': 'timestamptz',
  bigint: 'int8',
  integer: 'int4',
}

const END = { headers: { control: 'up-to-date', global_last_seen_lsn: '1' } }
const UP_TO_DATE = JSON.stringify([END])

/**
 * Creates a `fetch` that answers shape requests with the same snapshot each time, without a server, so
 * that only the client is measured. Live requests wait until they are aborted.
 */
export function cannedShapes(rows: CannedRows): typeof fetch {
  const answers = new Map(
    Object.entries(rows).map(([shape, own]) => [
      shape,
      JSON.stringify([
        ...own.map((value) => ({ key: `"${value.id}"`, value, headers: { operation: 'insert' } })),
        END,
      ]),
    ]),
  )
  return async (input, init) => {
    const url = new URL(String(input))
    const shape = url.pathname.split('/').at(-1) as keyof typeof TABLE_OF
    if (url.searchParams.get('live') === 'true' || String(shape) === '_live') {
      if (String(shape) === '_live') return new Response(null, { status: 404 })
      return new Promise((_, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      })
    }
    // Electric's client reads on from its offset when a busy process makes it take the computer for woken up.
    const answer = url.searchParams.get('offset') === '-1' ? answers.get(shape) : UP_TO_DATE
    return new Response(answer ?? '[]', {
      headers: {
        'electric-handle': shape,
        'electric-offset': '0_0',
        'electric-schema': schemaOf(shape),
        'electric-up-to-date': '',
      },
    })
  }
}

function schemaOf(shape: keyof typeof TABLE_OF): string {
  const columns = Object.values(TABLE_OF[shape].columns)
  return JSON.stringify(
    Object.fromEntries(columns.map(({ name, type }) => [name, { type: TYPE_NAMES[type] ?? type }])),
  )
}

const CREATED = '2026-01-01 00:00:00+00'

/** Returns the events of a session as the shape server sends them. */
export function wireEvents(count: number): Record<string, string | null>[] {
  return Array.from({ length: count }, (_, seq) => ({
    tenant_id: 'acme',
    id: `s1:${seq}`,
    session_id: 's1',
    seq: String(seq),
    kind: 'message',
    role: 'user',
    occurred_at: CREATED,
    title: null,
    text: 'a line of text '.repeat(8),
    tool_name: null,
    call_id: null,
    parent_id: null,
    fold: null,
    data: '{}',
    created_at: CREATED,
  }))
}

/** Returns the messages of a thread as the shape server sends them. */
export function wireMessages(count: number): Record<string, string | null>[] {
  return Array.from({ length: count }, (_, n) => ({
    tenant_id: 'acme',
    id: `m${n}`,
    thread_id: 't1',
    session_id: 's1',
    author_id: 'ada',
    role: 'user',
    content: `message ${n} ${'a line of text '.repeat(8)}`,
    parts: '[]',
    position: String(n + 1),
    status: 'complete',
    parent_id: null,
    client_message_id: null,
    metadata: '{}',
    version: '1',
    created_at: CREATED,
    updated_at: CREATED,
  }))
}

/** Returns the row of the thread that holds `count` messages. */
export function wireThread(count: number): Record<string, string | null> {
  return {
    tenant_id: 'acme',
    id: 't1',
    session_id: 's1',
    created_by: 'ada',
    mode: 'session',
    title: 'Long',
    status: 'active',
    message_count: String(count),
    last_message_at: CREATED,
    last_message_preview: 'message',
    metadata: '{}',
    version: '1',
    created_at: CREATED,
    updated_at: CREATED,
  }
}
