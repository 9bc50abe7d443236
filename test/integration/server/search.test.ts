import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SessionSearch } from '../../../src/server.ts'
import { indexWords, searchWords } from '../../../src/timeline/search-words.ts'
import { cases, fc } from '../../support/property.ts'
import { streamOf } from '../upload/log-file.ts'
import {
  ada,
  bob,
  insertEvent,
  insertMessage,
  insertSession,
  insertThread,
  type StoreFixture,
  startStore,
  stranger,
} from './store-fixture.ts'

let fixture: StoreFixture
let store: StoreFixture['store']

const thread = (id: string, sessionId: string) =>
  ({
    collection: 'chatThreads',
    type: 'insert',
    value: { id, sessionId, mode: 'session', title: id },
  }) as const
const message = (threadId: string, content: string, more: object = {}) =>
  ({
    collection: 'chatMessages',
    type: 'insert',
    value: { id: randomUUID(), threadId, role: 'user', content, ...more },
  }) as const

const texts = [
  'calls getUserById(id) twice',
  'edits src/auth/login-form.tsx and src/auth/index.ts',
  '修复登录页面的错误',
  'ログイン画面のエラーを直す',
  '로그인 화면 오류',
  'แก้ไขหน้าเข้าสู่ระบบ',
  'the exit code is 2, not the code of exit',
  'said “hello” — twice',
  '<div className="user-card">It works</div>',
  'MAX_RETRY_COUNT=5 and HTTPServer',
]

beforeAll(async () => {
  fixture = await startStore()
  store = fixture.store
  await fixture.write(
    ada,
    insertSession('mine'),
    insertSession('shared', { visibility: 'tenant' }),
    ...texts.map((text, seq) => insertEvent('mine', seq, { text })),
    thread('th-mine', 'mine'),
    thread('th-shared', 'shared'),
    ...texts.map((text) => message('th-mine', text)),
    message('th-shared', 'a shared answer about getUserById'),
  )
  await fixture.write(
    stranger,
    insertSession('theirs', { visibility: 'tenant' }),
    insertEvent('theirs', 0, { text: texts.join('\n') }),
    thread('th-theirs', 'theirs'),
    message('th-theirs', texts.join('\n')),
  )
})

afterAll(() => fixture.close())

/** Places of hits in `mine`: events by seq, messages by position from 0. */
async function places(query: string, more: Partial<SessionSearch> = {}) {
  const { hits } = await store.search(ada, { query, sessionId: 'mine', limit: 100, ...more })
  const of = (source: 'event' | 'message') =>
    hits
      .flatMap((hit) =>
        hit.source === source ? [hit.source === 'event' ? hit.seq : hit.position - 1] : [],
      )
      .sort((a, b) => a - b)
  return { events: of('event'), messages: of('message') }
}

describe('a search of events and messages', () => {
  test.each([
    ['getUser', [0]],
    ['getuser', [0]],
    ['userby', [0]],
    ['ById', [0]],
    ['byid(', [0]],
    ['auth', [1]],
    ['login-form', [1]],
    ['auth/login-form.tsx', [1]],
    ['index.ts', [1]],
    ['登录', [2]],
    ['录页面', [2]],
    ['误', [2]],
    ['面登', []],
    ['ログイン', [3]],
    ['画面', [3]],
    ['로그인', [4]],
    ['오류', [4]],
    ['เข้าสู่', [5]],
    ['"exit code"', [6]],
    ['"code of"', [6]],
    ['"code exit"', []],
    ['exit code', [6]],
    ['twice -hello', [0]],
    ['twice -userbyid', [7]],
    ['hello', [7]],
    ['card', [8]],
    ['retry', [9]],
    ['retry_count', [9]],
    ['getUserById or MAX_RETRY', [0, 9]],
    ['-twice', []],
    ['nowhere', []],
  ])('finds %s', async (query, expected) => {
    expect(await places(query)).toEqual({ events: expected, messages: expected })
  })

  test('finds what the principal may see, and nothing of another tenant', async () => {
    const sessionsOf = async (principal: typeof ada) => {
      const { hits } = await store.search(principal, { query: 'getUserById' })
      return hits.map(({ source, sessionId }) => `${source} ${sessionId}`).sort()
    }
    expect(await sessionsOf(ada)).toEqual(['event mine', 'message mine', 'message shared'])
    expect(await sessionsOf(bob)).toEqual(['message shared'])
    expect(await sessionsOf(stranger)).toEqual(['event theirs', 'message theirs'])
    const { hits } = await store.search(bob, { query: 'getUserById', sessionId: 'mine' })
    expect(hits).toEqual([])
  })

  test('narrows by source, kind, role and time', async () => {
    const query = 'getUserById'
    expect(await places(query, { sources: ['event'] })).toEqual({ events: [0], messages: [] })
    expect(await places(query, { sources: ['message'] })).toEqual({ events: [], messages: [0] })
    expect(await places(query, { kinds: ['tool_call'] })).toEqual({ events: [], messages: [] })
    expect(await places(query, { roles: ['user'] })).toEqual({ events: [], messages: [0] })
    expect(await places(query, { until: new Date(0) })).toEqual({ events: [], messages: [] })
  })

  test('counts hits by the values to narrow by', async () => {
    const { facets, isPartial } = await store.search(ada, { query: 'getUserById', limit: 1 })
    expect(isPartial).toBe(false)
    expect(facets.sources).toEqual([
      { value: 'message', count: 2 },
      { value: 'event', count: 1 },
    ])
    expect(facets.sessions).toEqual([
      { value: 'mine', count: 2 },
      { value: 'shared', count: 1 },
    ])
    expect(facets.roles).toContainEqual({ value: 'user', count: 2 })
  })
})

test('puts messages before tools, recent before old, and folded events last', async () => {
  const at = (day: number) => `2026-01-${String(day).padStart(2, '0')}T00:00:00Z`
  await fixture.write(
    ada,
    insertSession('ranked'),
    insertEvent('ranked', 0, { kind: 'tool_result', text: 'zebra', occurredAt: at(28) }),
    insertEvent('ranked', 1, { kind: 'message', text: 'zebra', occurredAt: at(2) }),
    insertEvent('ranked', 2, { kind: 'message', text: 'zebra', occurredAt: at(28) }),
    insertEvent('ranked', 3, {
      kind: 'message',
      text: 'zebra',
      occurredAt: at(28),
      fold: 'context',
    }),
    insertEvent('ranked', 4, { kind: 'tool_call', title: 'zebra', occurredAt: at(28) }),
  )
  const { hits } = await store.searchEvents(ada, { query: 'zebra', sessionId: 'ranked' })
  expect(hits.map(({ seq }) => seq)).toEqual([2, 1, 4, 0, 3])
})

test('centres a snippet on its match', async () => {
  const text = `${'before '.repeat(400)}the needle here ${'after '.repeat(400)}`
  await fixture.write(ada, insertSession('long'), insertEvent('long', 0, { text }))
  const { hits } = await store.search(ada, { query: 'needle', sessionId: 'long' })
  const { text: shown, matches } = hits[0]?.snippet ?? { text: '', matches: [] }
  expect(matches.map(([start, end]) => shown.slice(start, end))).toEqual(['needle'])
  expect(shown).toMatch(/^… before .*the needle here after .* …$/)
  expect(shown.length).toBeLessThan(300)
  expect(Math.abs((matches[0]?.[0] ?? 0) - 80)).toBeLessThan(40)
})

test('finds words, identifiers and phrases beyond the stored part of a text', async () => {
  const long = `start ${'word '.repeat(2_000)} readTheConfigFile in lib/deep/path.ts 深い場所 final words`
  const line = JSON.stringify({ role: 'user', content: long })
  const id = randomUUID()
  await store.createSession(ada, { id, title: 'log', originalName: 'log' })
  await store.uploadContent(ada, id, streamOf(Buffer.from(`${line}\n`)))
  for (const query of ['ConfigFile', 'deep/path.ts', 'path', '場所', '"final words"', 'start']) {
    const { hits } = await store.search(ada, { query, sessionId: id })
    expect(hits, query).toHaveLength(1)
    expect(hits[0]?.snippet.matches.length, query).toBeGreaterThan(0)
  }
})

test('finds the text that a user gave a derived event, and not the one before', async () => {
  const id = randomUUID()
  await store.createSession(ada, { id, title: 'log', originalName: 'log' })
  const line = JSON.stringify({ role: 'user', content: 'call oldFunctionName' })
  await store.uploadContent(ada, id, streamOf(Buffer.from(line)))
  const update = { type: 'update', collection: 'timelineEvents', id: `${id}:0` } as const
  await fixture.write(ada, { ...update, changes: { text: 'call newMethodName' } })
  const count = async (query: string) =>
    (await store.search(ada, { query, sessionId: id })).hits.length
  expect([await count('FunctionName'), await count('MethodName')]).toEqual([0, 1])
})

describe('of a word that is too common', () => {
  beforeAll(async () => {
    await fixture.write(ada, insertSession('common1'), insertSession('common2'))
    await fixture.rows(`
      UPDATE sessions SET started_at = ('2026-01-0' || right(id, 1))::timestamptz WHERE id IN ('common1', 'common2');
      INSERT INTO timeline_events (tenant_id, session_id, id, seq, kind, role, text, more_words)
      SELECT tenant_id, sessions.id, sessions.id || '-' || seq, seq, 'message', 'user',
        CASE WHEN sessions.id = 'common1' AND seq = 7 THEN 'common word' WHEN seq > 8000 THEN 'the word is late' ELSE 'the word is common ' || seq END, ''
      FROM sessions, generate_series(0, 100 + 8300 * (sessions.id = 'common1')::integer) AS seq
      WHERE sessions.id IN ('common1', 'common2')`)
    await fixture.write(
      ada,
      insertThread('common2', 'zebras'),
      insertMessage('zebras', 'z1', { content: 'A zebra' }),
      insertMessage('zebras', 'z2', { content: 'Another zebra' }),
    )
  })

  describe.each([
    ['before Postgres has statistics', ''],
    [
      'when Postgres takes all words for common',
      `ANALYZE timeline_events;
       UPDATE pg_class SET relpages = 1, reltuples = 1e8 WHERE oid = 'timeline_events'::regclass`,
    ],
  ])('%s', (_, statistics) => {
    beforeAll(async () => {
      if (statistics !== '') await fixture.rows(statistics)
    })

    test('those in the newest sessions are ranked, and paged through', async () => {
      const seen = new Set<string>()
      let cursor: string | undefined
      do {
        const page = await store.search(ada, {
          query: 'common',
          limit: 100,
          ...(cursor && { cursor }),
        })
        expect(page.isPartial).toBe(true)
        expect(page.facets.sessions).toEqual([
          { value: 'common1', count: 199 },
          { value: 'common2', count: 101 },
        ])
        for (const { id } of page.hits) seen.add(id)
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      expect(seen.size).toBe(300)
    })

    test('a rare phrase is found in the oldest session, and nothing is left out', async () => {
      const { hits, isPartial } = await store.search(ada, { query: '"common word"' })
      expect(hits.map(({ id }) => id)).toEqual(['common1-7'])
      expect(isPartial).toBe(false)
    })

    test('all matches in one session are ranked and counted', async () => {
      const { facets, isPartial } = await store.search(ada, {
        query: 'common',
        sessionId: 'common2',
      })
      expect(facets.sessions).toEqual([{ value: 'common2', count: 101 }])
      expect(isPartial).toBe(false)
    })

    test('of chat messages only, nothing is left out', async () => {
      const request = { query: 'zebra', limit: 1 } as const
      const { hits, isPartial } = await store.search(ada, { ...request, sources: ['message'] })
      expect(hits).toHaveLength(1)
      expect(isPartial).toBe(false)
    })

    test('one in old sessions only is ranked and counted in full', async () => {
      const { facets, isPartial } = await store.search(ada, { query: 'late' })
      expect(facets.sessions).toEqual([{ value: 'common1', count: 400 }])
      expect(isPartial).toBe(false)
    })
  })
})

test('the index words of Postgres contain those of the browser’s twin', async () => {
  const part = fc.oneof(
    fc.constantFrom(
      'getUser',
      'HTTPServer',
      'x1Y2',
      'snake_case',
      'a/b.ts',
      '登录',
      'ไทย',
      'é',
      '“q”',
    ),
    fc.string({ unit: 'grapheme', maxLength: 6 }),
  )
  const text = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(' '))
  const given = fc.sample(text, cases(150, 5_000))
  const { rows } = await fixture.pool.query<{ words: string[] }>(
    `SELECT array(SELECT lexeme FROM unnest(session_db_message_document('t', 's', content))) AS words
     FROM unnest($1::text[]) WITH ORDINALITY AS given (content, n) ORDER BY n`,
    [given],
  )
  for (const [n, each] of given.entries()) {
    const words = rows[n]?.words ?? []
    const expected = indexWords(searchWords(each, each.length)).filter((word) =>
      /^\w+$|[登录ไทย]/.test(word),
    )
    for (const word of expected) expect(words, JSON.stringify(each)).toContain(word)
  }
})
