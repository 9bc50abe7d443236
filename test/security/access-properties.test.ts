import { createHash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLinkToken, type LinkToken, linkGrantees } from '../../src/access/link.ts'
import type { Principal } from '../../src/schema/index.ts'
import { sessionShapes } from '../../src/shapes/index.ts'
import { isRefusal, resolveShape } from '../../src/shapes/resolve-shape.ts'
import type { MutationInput } from '../../src/writes/index.ts'
import { type StoreFixture, startStore } from '../integration/server/store-fixture.ts'
import { cases, fc } from '../support/property.ts'

/**
 * Random tenants, users, teams, links, grants, roles, moves and revocations. Every shape, search, outline,
 * content and message, and every kind of write is compared with a rule in SQL over owners and grants alone.
 * The shapes' conditions are run by Postgres; test/integration/shape-server compares the engine with it.
 */

let fixture: StoreFixture
let links: readonly LinkToken[]
let worlds = 0

beforeAll(async () => {
  fixture = await startStore()
  links = [await createLinkToken(), await createLinkToken()]
})
afterAll(() => fixture.close())

const USERS = ['ann', 'ben', 'cy']
const TEAMS = ['team:a', 'team:b']
const SESSIONS = 5
/** Pairs of a principal and a session that are compared in each world. */
const PAIRS = 10

const user = fc.constantFrom(...USERS)
const session = fc.nat(SESSIONS - 1)
const grantee = fc.oneof(
  fc.constant('tenant'),
  user.map((id) => `user:${id}`),
  fc.constantFrom(...TEAMS),
  fc.nat(1).map((link) => `link ${link}`),
)
const move = fc.oneof(
  fc.record({
    do: fc.constant('grant' as const),
    session,
    grantee,
    role: fc.constantFrom('viewer', 'member', 'editor'),
  }),
  fc.record({ do: fc.constant('revoke' as const), session, grantee }),
  fc.record({ do: fc.constant('give' as const), session, to: user }),
  fc.record({
    do: fc.constant('show' as const),
    session,
    to: fc.constantFrom('private', 'tenant'),
  }),
)
type Move = typeof move extends fc.Arbitrary<infer Value> ? Value : never
const member = fc.record({
  tenant: fc.nat(1),
  userId: user,
  teams: fc.subarray(TEAMS),
  tokens: fc.subarray([0, 1]),
})
type Member = typeof member extends fc.Arbitrary<infer Value> ? Value : never

const SHA = createHash('sha256').update('x').digest('hex')

/** Two tenants with the same ids. Only the first one's sessions are moved. */
async function build(owners: readonly string[]): Promise<readonly [string, string]> {
  worlds += 1
  const tenants = [`w${worlds}`, `w${worlds}-other`] as const
  await fixture.rows(
    `WITH t AS (SELECT unnest($1::text[]) AS tenant),
     content AS (INSERT INTO session_contents (tenant_id, id, sha256, bytes)
       SELECT tenant, 'c', $3, 1 FROM t),
     chunk AS (INSERT INTO session_content_chunks (tenant_id, content_id, start, bytes, codec, data)
       SELECT tenant, 'c', 0, 1, 'none', 'x'::bytea FROM t)
     INSERT INTO sessions
       (tenant_id, id, owner_id, title, status, content_ref, content_sha256, content_bytes)
     SELECT tenant, 's' || n - 1, owner, 'x', 'ready', 'pg:' || $3, $3, 1
     FROM t, unnest($2::text[]) WITH ORDINALITY AS o (owner, n)`,
    [tenants, owners, SHA],
  )
  await fixture.rows(
    `WITH s AS (SELECT tenant_id, id, owner_id FROM sessions WHERE tenant_id = ANY ($1)),
     e AS (INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind, text)
       SELECT tenant_id, 'e-' || id, id, 0, 'message', 'needle' FROM s)
     INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title)
     SELECT tenant_id, 't-' || id, id, owner_id, 'session', 'x' FROM s`,
    [tenants],
  )
  await fixture.rows(
    `WITH m AS (INSERT INTO chat_messages
       (tenant_id, id, thread_id, session_id, author_id, role, content, position)
       SELECT tenant_id, 'm-' || session_id, id, session_id, created_by, 'user', 'x', 1
       FROM chat_threads WHERE tenant_id = ANY ($1) RETURNING tenant_id, id, session_id)
     SELECT FROM m`,
    [tenants],
  )
  await fixture.rows(
    `INSERT INTO chat_message_deltas (tenant_id, message_id, seq, session_id, epoch, delta)
     SELECT tenant_id, id, 0, session_id, '5', 'x' FROM chat_messages WHERE tenant_id = ANY ($1)`,
    [tenants],
  )
  return tenants
}

const nameOf = (given: string) =>
  given.startsWith('link ') ? (links[Number(given.slice(5))]?.grantee ?? '') : given

/** Returns a move as SQL. */
function sqlOf(tenant: string, each: Move): string {
  const row = `tenant_id = '${tenant}' AND id = 's${each.session}'`
  switch (each.do) {
    case 'grant':
      return `INSERT INTO session_grants (tenant_id, id, session_id, grantee, role, created_by)
        VALUES ('${tenant}', '${randomUUID()}', 's${each.session}', '${nameOf(each.grantee)}',
          '${each.role}', 'ann')
        ON CONFLICT (session_id, tenant_id, grantee) DO UPDATE SET role = excluded.role`
    case 'revoke':
      return `DELETE FROM session_grants WHERE tenant_id = '${tenant}'
        AND session_id = 's${each.session}' AND grantee = '${nameOf(each.grantee)}'`
    case 'give':
      return `UPDATE sessions SET owner_id = '${each.to}' WHERE ${row}`
    case 'show':
      return `UPDATE sessions SET visibility = '${each.to}' WHERE ${row}`
  }
}

async function principalOf(tenants: readonly [string, string], who: Member): Promise<Principal> {
  const tokens = who.tokens.map((link) => links[link]?.token ?? '')
  return {
    tenantId: tenants[who.tenant] ?? '',
    userId: who.userId,
    groups: [...who.teams, ...(await linkGrantees(tokens))],
  }
}

/** 0 for nothing, 1 viewer, 2 member, 3 editor, 4 owner; from owners and grants alone. */
async function ranksOf(
  { tenantId, userId }: Principal,
  grantees: readonly string[],
): Promise<Map<string, number>> {
  const rows = await fixture.rows<{ id: string; rank: number }>(
    `SELECT s.id, CASE WHEN s.owner_id = $2 AND 'user:' || $2 = ANY ($3) THEN 4 ELSE coalesce(max(
       array_position(ARRAY['viewer', 'member', 'editor'], g.role)), 0) END AS rank
     FROM sessions s LEFT JOIN session_grants g
       ON g.tenant_id = s.tenant_id AND g.session_id = s.id AND g.grantee = ANY ($3)
     WHERE s.tenant_id = $1 GROUP BY s.id, s.owner_id`,
    [tenantId, userId, grantees],
  )
  return new Map(rows.map(({ id, rank }) => [id, rank]))
}

interface Asked {
  readonly name: string
  /** The name of its rows in the result. Default: that of the shape. */
  readonly as?: string
  readonly params: Readonly<Record<string, string>>
}

/** Runs the conditions of shapes, and returns the ids of each one's rows. */
async function select(who: Principal, asked: readonly Asked[]): Promise<Map<string, string[]>> {
  const values: string[] = []
  const parts = asked.map(({ name, as = name, params }) => {
    const resolved = resolveShape(sessionShapes, name, params, who)
    if (isRefusal(resolved)) throw new Error(resolved.message)
    const key = name === 'session-deltas' ? 'message_id' : 'id'
    const where = resolved.where.replaceAll(/\$(\d+)/g, (_, n) => `$${values.length + Number(n)}`)
    values.push(...resolved.params)
    return `SELECT '${as}' AS name, ${key} AS id FROM ${resolved.table} WHERE ${where}`
  })
  const rows = await fixture.rows<{ name: string; id: string }>(
    `${parts.join(' UNION ALL ')} ORDER BY 1, 2`,
    values,
  )
  const ids = new Map(asked.map(({ name, as = name }) => [as, [] as string[]]))
  for (const { name, id } of rows) ids.get(name)?.push(id)
  return ids
}

/** The shapes of a session's children, and the row that each has. */
const CHILDREN = {
  'session-timeline': (id: string) => [{ sessionId: id }, `e-${id}`] as const,
  'session-timeline-window': (id: string) =>
    [{ sessionId: id, fromSeq: '0', toSeq: '9' }, `e-${id}`] as const,
  'session-threads': (id: string) => [{ sessionId: id }, `t-${id}`] as const,
  'session-messages': (id: string) => [{ sessionId: id }, `m-${id}`] as const,
  'thread-messages': (id: string) => [{ sessionId: id, threadId: `t-${id}` }, `m-${id}`] as const,
  'thread-messages-window': (id: string) =>
    [{ sessionId: id, threadId: `t-${id}`, fromPosition: '0' }, `m-${id}`] as const,
  'thread-message': (id: string) =>
    [{ sessionId: id, threadId: `t-${id}`, messageId: `m-${id}` }, `m-${id}`] as const,
  'session-deltas': (id: string) => [{ sessionId: id, epoch: '5' }, `m-${id}`] as const,
}

/** Writes that change nothing, with the rank that they need. A permitted one is a conflict. */
type Write = readonly [number, (id: string) => MutationInput]
const WRITES: readonly Write[] = [
  [
    2,
    (id) => ({
      collection: 'chatMessages',
      type: 'insert',
      value: { id: `m-${id}`, threadId: `t-${id}`, role: 'user', content: 'x' },
    }),
  ],
  [
    3,
    (id) => ({
      collection: 'timelineEvents',
      type: 'insert',
      value: { id: `e-${id}`, sessionId: id, seq: 0, kind: 'message' },
    }),
  ],
  [3, (id) => update(id, { title: 'y' })],
  [4, (id) => update(id, { visibility: 'tenant' })],
  [4, (id) => update(id, { ownerId: 'ben' })],
  [4, (id) => ({ collection: 'sessions', type: 'delete', id, expectedVersion: 999 })],
]

function update(id: string, changes: object): MutationInput {
  return { collection: 'sessions', type: 'update', id, changes, expectedVersion: 999 }
}

const pair = fc.record({
  who: member,
  session,
  writes: fc.subarray([...WRITES], { maxLength: 3 }),
  through: fc.nat(),
})
const world = fc.record({
  owners: fc.array(user, { minLength: SESSIONS, maxLength: SESSIONS }),
  moves: fc.array(move, { maxLength: 15 }),
  pairs: fc.array(pair, { minLength: PAIRS, maxLength: PAIRS }),
})

/** Everything that a principal may look through. */
const granteesOf = ({ userId, groups = [] }: Principal) => ['tenant', ...groups, `user:${userId}`]

const codeOf = (result: Promise<unknown>) =>
  result.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? String(error),
  )

/** Returns everything that a principal gets of a session, and its sessions. */
async function observe(
  who: Principal,
  id: string,
  audience: string,
  writes: readonly Write[],
): Promise<object> {
  const { store } = fixture
  const children = Object.entries(CHILDREN).map(([name, paramsOf]) => ({
    name,
    params: paramsOf(id)[0],
  }))
  const asked: Asked[] = [
    { name: 'sessions', params: {} },
    { name: 'threads', params: {} },
    ...children,
  ]
  const shapes = select(who, [
    { name: 'session-grants', params: { sessionId: id } },
    ...asked,
    ...asked.map(({ name, params }) => ({
      name,
      as: `${name} through one audience`,
      params: { ...params, audience },
    })),
  ])
  const search = store.searchEvents(who, { query: 'needle', sessionId: id })
  const outline = store.outlineTimeline(who, { sessionId: id })
  const facets = store.timelineFacets(who, id)
  const content = codeOf(
    store.openContent(who, id).then(async ({ body }) => {
      for await (const _ of body);
    }),
  )
  const written = writes.map(([, mutation]) => codeOf(fixture.write(who, mutation(id))))
  return {
    shapes: Object.fromEntries(await shapes),
    search: (await search).hits.map((hit) => hit.id),
    outline: (await outline).ranges.length,
    facets: (await facets).kinds.length,
    message: (await store.readMessage(who, `m-${id}`))?.id,
    content: await content,
    writes: await Promise.all(written),
  }
}

function shapesOf(id: string, ranks: ReadonlyMap<string, number>, suffix: string): object {
  const children = Object.entries(CHILDREN).map(([name, paramsOf]) => {
    const [, row] = paramsOf(id)
    return [`${name}${suffix}`, (ranks.get(id) ?? 0) > 0 ? [row] : []]
  })
  const sessions = [...ranks].flatMap(([other, given]) => (given > 0 ? [other] : [])).sort()
  return {
    [`sessions${suffix}`]: sessions,
    [`threads${suffix}`]: sessions.map((other) => `t-${other}`),
    ...Object.fromEntries(children),
  }
}

/** Returns the same from the principal's ranks. */
async function expected(
  who: Principal,
  id: string,
  ranks: ReadonlyMap<string, number>,
  audience: string,
  writes: readonly Write[],
): Promise<object> {
  const rank = ranks.get(id) ?? 0
  const through = await ranksOf(who, [audience])
  const sees = rank > 0
  const grants = await fixture.rows<{ id: string; grantee: string }>(
    'SELECT id, grantee FROM session_grants WHERE tenant_id = $1 AND session_id = $2 ORDER BY id',
    [who.tenantId, id],
  )
  const own = granteesOf(who)
  const listed = grants.filter((grant) => rank >= 3 || own.includes(grant.grantee))
  return {
    shapes: {
      'session-grants': listed.map((grant) => grant.id),
      ...shapesOf(id, ranks, ''),
      ...shapesOf(id, through, ' through one audience'),
    },
    search: sees ? [`e-${id}`] : [],
    outline: sees ? 1 : 0,
    facets: sees ? 1 : 0,
    message: sees ? `m-${id}` : undefined,
    content: sees ? 'ok' : 'not_found',
    writes: writes.map(([needed]) =>
      rank >= needed ? 'conflict' : sees ? 'forbidden' : 'not_found',
    ),
  }
}

test('everyone gets what owners and grants give them, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(world, async ({ owners, moves, pairs }) => {
      const tenants = await build(owners)
      if (moves.length > 0)
        await fixture.pool.query(moves.map((each) => sqlOf(tenants[0], each)).join(';'))
      await Promise.all(
        pairs.map(async ({ who, session, writes, through }) => {
          const principal = await principalOf(tenants, who)
          const ranks = await ranksOf(principal, granteesOf(principal))
          const id = `s${session}`
          const own = granteesOf(principal)
          const audience = own[through % own.length] ?? ''
          expect(await observe(principal, id, audience, writes)).toEqual(
            await expected(principal, id, ranks, audience, writes),
          )
          const others = [...TEAMS, ...USERS.map((name) => `user:${name}`)]
          for (const other of others.filter((name) => !own.includes(name))) {
            const params = { sessionId: id, audience: other }
            const asked = resolveShape(sessionShapes, 'session-messages', params, principal)
            expect(asked).toMatchObject({ reason: 'forbidden' })
          }
        }),
      )
    }),
    { numRuns: cases(20, 1_000) },
  )
})
