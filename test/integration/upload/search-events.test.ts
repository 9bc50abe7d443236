import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  ada,
  bob,
  insertEvent,
  insertSession,
  refusalOf,
  type StoreFixture,
  startStore,
  stranger,
} from '../server/store-fixture.ts'

let fixture: StoreFixture
let search: StoreFixture['store']['searchEvents']

beforeAll(async () => {
  fixture = await startStore({ requestLimits: false })
  search = fixture.store.searchEvents
  const at = (minute: number) => `2026-01-01T10:${String(minute).padStart(2, '0')}:00Z`
  await fixture.write(
    ada,
    insertSession('private'),
    insertSession('shared', { visibility: 'tenant' }),
    insertEvent('private', 0, { text: 'The build fails: exit code 2 in compile.ts', role: 'tool' }),
    insertEvent('private', 1, { title: 'compile', text: 'again', occurredAt: at(1) }),
    insertEvent('shared', 0, {
      text: 'compile & check this please',
      role: 'user',
      occurredAt: at(2),
    }),
    insertEvent('shared', 1, { kind: 'tool_call', toolName: 'shell', text: 'npm run compile' }),
    insertEvent('shared', 2, { text: `tenant rival ${String.fromCharCode(2)}rival` }),
  )
  await fixture.write(
    stranger,
    insertSession('theirs', { visibility: 'tenant' }),
    insertEvent('theirs', 0, { text: 'compile the secret' }),
  )
})

afterAll(() => fixture.close())

const found = async (...args: Parameters<typeof search>) =>
  (await search(...args)).hits.map(({ sessionId, seq }) => `${sessionId}:${seq}`).sort()

test('finds words in title, tool name and text of visible events only', async () => {
  const all = ['private:0', 'private:1', 'shared:0', 'shared:1']
  expect(await found(ada, { query: 'compile' })).toEqual(all)
  expect(await found(bob, { query: 'COMPILE' })).toEqual(['shared:0', 'shared:1'])
  expect(await found(stranger, { query: 'compile' })).toEqual(['theirs:0'])
  expect(await found(ada, { query: '"exit code 2"' })).toEqual(['private:0'])
  expect(await found(ada, { query: 'compile.ts or please' })).toEqual(['private:0', 'shared:0'])
  expect(await found(ada, { query: 'compile -npm' })).toEqual([
    'private:0',
    'private:1',
    'shared:0',
  ])
  expect(await found(ada, { query: 'shell' })).toEqual(['shared:1'])
})

test('finds nothing for an empty query or for the lexeme of another tenant', async () => {
  expect(await found(ada, { query: '' })).toEqual([])
  expect(await found(ada, { query: ' ! & | () ' })).toEqual([])
  for (const query of ["'rival", `${String.fromCharCode(2)}rival`, 'theirs', 'secret']) {
    expect(await found(ada, { query })).not.toContain('theirs:0')
  }
})

test('filters by session, kind, role, tool and time', async () => {
  const query = 'compile'
  expect(await found(ada, { query, sessionId: 'private' })).toEqual(['private:0', 'private:1'])
  expect(await found(bob, { query, sessionId: 'private' })).toEqual([])
  expect(await found(ada, { query, kinds: ['tool_call'] })).toEqual(['shared:1'])
  expect(await found(ada, { query, roles: ['user'] })).toEqual(['shared:0'])
  expect(await found(ada, { query, tools: ['shell', 'other'] })).toEqual(['shared:1'])
  const from = new Date('2026-01-01T10:01:30Z')
  expect(await found(ada, { query, from })).toEqual(['shared:0'])
  expect(await found(ada, { query, until: from })).toEqual(['private:1'])
})

test('returns the places of matches as data', async () => {
  const [hit] = (await search(ada, { query: 'compile', roles: ['user'] })).hits
  expect(hit?.sessionTitle).toBe('Session shared')
  const { text, matches } = hit?.snippet ?? { text: '', matches: [] }
  expect(text).toContain('compile & check this please')
  expect(matches.map(([start, end]) => text.slice(start, end))).toEqual(['compile'])
})

test('pages through every hit once, best first', async () => {
  await fixture.write(
    ada,
    insertSession('many'),
    ...Array.from({ length: 100 }, (_, seq) =>
      insertEvent('many', seq, { text: `${'needle '.repeat((seq % 5) + 1)} in hay ${seq}` }),
    ),
  )
  const hits: { seq: number; rank: number }[] = []
  let cursor: string | undefined
  do {
    const page = await search(ada, { query: 'needle', limit: 7, ...(cursor && { cursor }) })
    hits.push(...page.hits)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  expect(hits.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual([...Array(100).keys()])
  const ranks = hits.map(({ rank }) => rank)
  expect(ranks).toEqual([...ranks].sort((a, b) => b - a))
})

test('rejects a malformed search', async () => {
  expect(await refusalOf(search(ada, { query: 'x', limit: 0 }))).toMatchObject({ code: 'invalid' })
  expect(await refusalOf(search(ada, { query: 'x', cursor: 'nope' }))).toMatchObject({
    code: 'invalid',
  })
  const nobody = { tenantId: '', userId: 'ada' }
  expect(await refusalOf(search(nobody, { query: 'x' }))).toMatchObject({ code: 'unauthenticated' })
})

test('uses the index', async () => {
  const client = await fixture.pool.connect()
  await client.query('SET enable_seqscan = off')
  const { rows } = await client.query(
    `EXPLAIN SELECT FROM timeline_events e WHERE session_db_event_document(e.tenant_id, e.session_id,
       e.title, e.tool_name, e.text, e.more_words) @@ to_tsquery('simple', 'needle & nowhere')`,
  )
  client.release(true)
  expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('timeline_events_document_idx')
})
