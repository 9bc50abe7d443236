import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLinkToken, type LinkToken, linkGrantees } from '../../src/access/link.ts'
import type { Principal } from '../../src/schema/index.ts'
import { type StoreFixture, startStore } from '../integration/server/store-fixture.ts'
import { cases, fc } from '../support/property.ts'

/**
 * Random users, teams, links, grants and revocations, between which attachments are created, uploaded, read, sent and
 * deleted. Each answer and each change of the tables is compared with a rule in SQL over owners, grants and the rows
 * before. Two tenants have the same ids.
 */

let fixture: StoreFixture
let link: LinkToken
let worlds = 0

beforeAll(async () => {
  fixture = await startStore({ requestLimits: false, uploads: { maxUnderWay: 1_000 } })
  link = await createLinkToken()
})
afterAll(() => fixture.close())

const USERS = ['ann', 'ben', 'cy']
const TEAM = 'team:a'
const SESSIONS = 2
/** The bytes of a file whose id ends with this number. */
const SIZES = [3, 5, 4]

const who = fc.record({
  tenant: fc.constantFrom(0, 0, 0, 1),
  userId: fc.constantFrom(...USERS),
  inTeam: fc.boolean(),
  hasLink: fc.boolean(),
})
const session = fc.nat(SESSIONS - 1)
const grantee = fc.constantFrom('tenant', TEAM, 'link', ...USERS.map((id) => `user:${id}`))
const file = fc.nat(SIZES.length - 1)
const act = <Name extends string>(name: Name) => fc.record({ do: fc.constant(name), who, file })
const step = fc.oneof(
  fc.record({
    do: fc.constant('grant' as const),
    session,
    grantee,
    role: fc.constantFrom('viewer', 'member', 'editor'),
  }),
  fc.record({ do: fc.constant('revoke' as const), session, grantee }),
  fc.record({ do: fc.constant('give' as const), session, to: fc.constantFrom(...USERS) }),
  fc.record({ do: fc.constant('create' as const), who, file, session, isLarger: fc.boolean() }),
  fc.record({
    do: fc.constant('receive' as const),
    who,
    file,
    bytes: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ do: fc.constant('send' as const), who, file, session }),
  act('read'),
  act('open'),
  act('open'),
  act('remove'),
  act('unsend'),
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never
type Member = typeof who extends fc.Arbitrary<infer Value> ? Value : never

interface Row {
  readonly tenant: string
  readonly id: string
  readonly session: string
  readonly owner: string
  readonly total: number
  readonly received: number
  readonly attached: boolean
}

async function build(): Promise<readonly [string, string]> {
  worlds += 1
  const tenants = [`a${worlds}`, `a${worlds}-other`] as const
  await fixture.rows(
    `INSERT INTO sessions (tenant_id, id, owner_id, title)
     SELECT tenant, 's' || n, 'ann', 'x' FROM unnest($1::text[]) tenant, generate_series(0, $2::integer) n`,
    [tenants, SESSIONS - 1],
  )
  await fixture.rows(
    `INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title)
     SELECT tenant_id, 't-' || id, id, owner_id, 'session', 'x' FROM sessions WHERE tenant_id = ANY ($1)`,
    [tenants],
  )
  return tenants
}

const read = (tenants: readonly string[]) =>
  fixture.rows<Row>(
    `SELECT tenant_id AS tenant, id, session_id AS session, created_by AS owner, attached,
       total_bytes::integer AS total, received_bytes::integer AS received
     FROM chat_attachments WHERE tenant_id = ANY ($1) ORDER BY 1, 2`,
    [tenants],
  )

async function principalOf(tenants: readonly string[], member: Member): Promise<Principal> {
  const { tenant, userId, inTeam, hasLink } = member
  const links = hasLink ? await linkGrantees([link.token]) : []
  return { tenantId: tenants[tenant] ?? '', userId, groups: [...(inTeam ? [TEAM] : []), ...links] }
}

/** 0 for nothing, 1 viewer, 2 member, 3 editor, 4 owner; from owners and grants alone. */
async function rankOf({ tenantId, userId, groups = [] }: Principal, id: string): Promise<number> {
  const [row] = await fixture.rows<{ rank: number }>(
    `SELECT CASE WHEN s.owner_id = $3 THEN 4 ELSE coalesce(max(
       array_position(ARRAY['viewer', 'member', 'editor'], g.role)), 0) END AS rank
     FROM sessions s LEFT JOIN session_grants g
       ON g.tenant_id = s.tenant_id AND g.session_id = s.id AND g.grantee = ANY ($4)
     WHERE s.tenant_id = $1 AND s.id = $2 GROUP BY s.owner_id`,
    [tenantId, id, userId, ['tenant', ...groups, `user:${userId}`]],
  )
  return row?.rank ?? 0
}

const codeOf = (result: Promise<unknown>) =>
  result.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? String(error),
  )

/** The bytes of a file: each session's are different, so that an answer shows where it is from. */
const bytesOf = ({
  tenant,
  id,
  session,
  total,
}: Pick<Row, 'tenant' | 'id' | 'session' | 'total'>) =>
  Buffer.from(`${tenant}/${session}/${id}/`.padEnd(total, '.')).subarray(-total)

/** The message by which a user has sent a file in a session. */
const messageOf = (file: string, session: string) => `m-${file}-${session}`

async function move(tenant: string, each: Extract<Step, { do: 'grant' | 'revoke' | 'give' }>) {
  const id = `s${each.session}`
  if (each.do === 'give') {
    const changed = 'UPDATE sessions SET owner_id = $3 WHERE tenant_id = $1 AND id = $2'
    return fixture.rows(changed, [tenant, id, each.to])
  }
  const name = each.grantee === 'link' ? link.grantee : each.grantee
  const removed =
    'DELETE FROM session_grants WHERE tenant_id = $1 AND session_id = $2 AND grantee = $3'
  await fixture.rows(removed, [tenant, id, name])
  if (each.do === 'revoke') return
  return fixture.rows(
    `INSERT INTO session_grants (tenant_id, id, session_id, grantee, role, created_by)
     VALUES ($1, gen_random_uuid()::text, $2, $3, $4, 'ann')`,
    [tenant, id, name, each.role],
  )
}

type Act = Exclude<Step, { do: 'grant' | 'revoke' | 'give' }>

/** The answer to a step, and the rows after it, by the rule. */
interface Outcome {
  readonly code: string
  readonly rows: readonly Row[]
}

async function expected(principal: Principal, given: Act, rows: readonly Row[]): Promise<Outcome> {
  const { tenantId: tenant, userId } = principal
  const id = `f${given.file}`
  const row = rows.find((each) => each.tenant === tenant && each.id === id)
  const others = rows.filter((each) => each !== row)
  const same = (code: string) => ({ code, rows })
  const after = (changed: Row[]) => ({ code: 'ok', rows: [...others, ...changed] })
  const seen = row !== undefined && (await rankOf(principal, row.session)) > 0
  switch (given.do) {
    case 'create': {
      const session = `s${given.session}`
      const rank = await rankOf(principal, session)
      const total = (SIZES[given.file] ?? 0) + (given.isLarger ? 1 : 0)
      if (rank < 2) return same(rank === 0 ? 'not_found' : 'forbidden')
      if (row === undefined) {
        return after([{ tenant, id, session, owner: userId, total, received: 0, attached: false }])
      }
      const isMine = row.owner === userId && row.session === session && row.total === total
      return same(isMine ? 'ok' : 'conflict')
    }
    case 'receive': {
      if (!seen || row === undefined) return same('not_found')
      if (row.received === row.total) return same('ok')
      if (row.owner !== userId) return same('conflict')
      return after([{ ...row, received: Math.min(row.total, row.received + given.bytes) }])
    }
    case 'read':
      return same(seen ? 'ok' : 'not_found')
    case 'open':
      return same(seen && row?.received === row?.total ? 'ok' : 'not_found')
    case 'remove':
      if (row === undefined || row.owner !== userId || row.attached) return same('not_found')
      return after([])
    case 'send': {
      const session = `s${given.session}`
      const rank = await rankOf(principal, session)
      if (rank < 2) return same(rank === 0 ? 'not_found' : 'forbidden')
      // A part that names a file of another session is only text.
      return row?.session === session ? after([{ ...row, attached: true }]) : same('ok')
    }
    case 'unsend': {
      const session = row?.session ?? 's0'
      const message = messageOf(id, session)
      const [sent] = await fixture.rows<{ author: string }>(
        `SELECT author_id AS author FROM chat_messages WHERE tenant_id = $1 AND id = $2`,
        [tenant, message],
      )
      const rank = await rankOf(principal, session)
      if (sent === undefined || rank === 0) return same('not_found')
      if (rank < 4 && sent.author !== userId) return same('forbidden')
      // It is the last message that refers to the file, whether it was sent before or after its upload.
      return row === undefined ? same('ok') : after([])
    }
  }
}

async function observed(principal: Principal, given: Act, rows: readonly Row[]): Promise<string> {
  const { store } = fixture
  const { tenantId: tenant } = principal
  const id = `f${given.file}`
  const row = rows.find((each) => each.tenant === tenant && each.id === id)
  switch (given.do) {
    case 'create': {
      const totalBytes = (SIZES[given.file] ?? 0) + (given.isLarger ? 1 : 0)
      const threadId = `t-s${given.session}`
      return codeOf(store.createAttachment(principal, { id, threadId, totalBytes }))
    }
    case 'receive': {
      const { received = 0 } = row ?? {}
      const bytes = row === undefined ? Buffer.from('x') : bytesOf(row)
      const part = bytes.subarray(received, received + given.bytes)
      return codeOf(store.receiveAttachment(principal, id, part.length > 0 ? [part] : []))
    }
    case 'read':
      return codeOf(store.attachmentState(principal, id))
    case 'open':
      return codeOf(
        store.openAttachment(principal, id).then(async ({ body }) => {
          const chunks: Uint8Array[] = []
          for await (const chunk of body) chunks.push(chunk)
          if (row !== undefined) expect(Buffer.concat(chunks)).toEqual(bytesOf(row))
        }),
      )
    case 'remove':
      return codeOf(store.deleteAttachment(principal, id))
    case 'send': {
      const session = `s${given.session}`
      const url = `/up/attachments/${id}`
      const providerMetadata = { sessionDb: { attachmentId: id } }
      const parts = [{ type: 'file', mediaType: 'text/plain', url, providerMetadata }]
      const [sent] = await fixture.rows(
        'SELECT id FROM chat_messages WHERE tenant_id = $1 AND id = $2',
        [tenant, messageOf(id, session)],
      )
      // Sent again under another id: the first message keeps its author.
      const message =
        sent === undefined ? messageOf(id, session) : `${messageOf(id, session)}-again`
      const value = {
        id: message,
        threadId: `t-${session}`,
        role: 'user',
        content: '',
        parts,
      } as const
      const code = await codeOf(
        fixture.write(principal, { collection: 'chatMessages', type: 'insert', value }),
      )
      if (sent !== undefined) {
        await fixture.rows('DELETE FROM chat_messages WHERE tenant_id = $1 AND id = $2', [
          tenant,
          message,
        ])
      }
      return code
    }
    case 'unsend': {
      const message = messageOf(id, row?.session ?? 's0')
      return codeOf(
        fixture.write(principal, { collection: 'chatMessages', type: 'delete', id: message }),
      )
    }
  }
}

test('attachments are read, written and deleted by those whom owners and grants allow it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const tenants = await build()
      for (const each of steps) {
        if (each.do === 'grant' || each.do === 'revoke' || each.do === 'give') {
          await move(tenants[0], each)
          continue
        }
        const principal = await principalOf(tenants, each.who)
        const rows = await read(tenants)
        const { code, rows: after } = await expected(principal, each, rows)
        const sorted = [...after].sort((one, other) =>
          one.tenant === other.tenant
            ? one.id < other.id
              ? -1
              : 1
            : one.tenant < other.tenant
              ? -1
              : 1,
        )
        expect([each.do, await observed(principal, each, rows)]).toEqual([each.do, code])
        expect(await read(tenants)).toEqual(sorted)
      }
    }),
    { numRuns: cases(25, 300) },
  )
})
