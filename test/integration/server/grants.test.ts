import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Principal } from '../../../src/schema/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import { cases, fc } from '../../support/property.ts'
import {
  ada,
  bob,
  insertEvent,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
  stranger,
} from './store-fixture.ts'

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore()
})
afterAll(() => fixture.close())

const teamMate: Principal = { tenantId: ada.tenantId, userId: 'tim', groups: ['team:x'] }

/** Creates a private session of ada with a thread, and grants roles in it. */
async function givenSession(...grants: readonly (readonly [grantee: string, role: string])[]) {
  const id = randomUUID()
  const ids = grants.map(() => randomUUID())
  await fixture.write(
    ada,
    insertSession(id),
    insertThread(id, `${id}-t`),
    ...grants.map(([grantee, role], index) => grant(id, grantee, role, ids[index])),
  )
  return { id, thread: `${id}-t`, grants: ids }
}

function grant(sessionId: string, grantee: string, role: string, id = randomUUID()): MutationInput {
  return {
    collection: 'sessionGrants',
    type: 'insert',
    value: { id, sessionId, grantee, role: role as 'viewer' },
  }
}

const rename = (id: string, changes: object = { title: 'changed' }): MutationInput => ({
  collection: 'sessions',
  type: 'update',
  id,
  changes,
})

async function codeOf(principal: Principal, ...mutations: MutationInput[]): Promise<string> {
  try {
    await fixture.write(principal, ...mutations)
    return 'written'
  } catch (error) {
    return (error as { code: string }).code
  }
}

async function sessionOf(id: string) {
  const [row] = await fixture.rows<{
    visibility: string
    audiences: string[]
    members: string[]
    editors: string[]
  }>('SELECT visibility, audiences, members, editors FROM sessions WHERE id = $1', [id])
  return row
}

describe('a role', () => {
  test.each([
    ['viewer', ['forbidden', 'forbidden', 'forbidden', 'forbidden']],
    ['member', ['written', 'forbidden', 'forbidden', 'forbidden']],
    ['editor', ['written', 'written', 'written', 'forbidden']],
  ])('%s: chat, event, session, share', async (role, expected) => {
    for (const [grantee, principal] of [
      ['user:bob', bob],
      ['team:x', teamMate],
    ] as const) {
      const { id, thread } = await givenSession([grantee, role])
      const codes = [
        await codeOf(principal, insertMessage(thread, randomUUID())),
        await codeOf(principal, insertEvent(id, 1, { id: randomUUID() })),
        await codeOf(principal, rename(id)),
        await codeOf(principal, grant(id, 'user:eve', 'viewer')),
      ]
      expect(codes).toEqual(expected)
    }
  })

  test('of a group gives nothing to others, and nothing in another tenant', async () => {
    const { id } = await givenSession(['team:x', 'editor'], ['user:ada', 'editor'])
    expect(await codeOf(bob, rename(id))).toBe('not_found')
    expect(await codeOf(stranger, rename(id))).toBe('not_found')
  })

  test('takes effect when it changes, and ends with its revocation', async () => {
    const { id, thread, grants } = await givenSession(['user:bob', 'viewer'])
    const [grantId = ''] = grants
    const chat = () => codeOf(bob, insertMessage(thread, randomUUID()))
    expect(await chat()).toBe('forbidden')
    const change = { collection: 'sessionGrants', type: 'update', id: grantId } as const
    await fixture.write(ada, { ...change, changes: { role: 'member' } })
    expect(await chat()).toBe('written')
    await fixture.write(ada, { collection: 'sessionGrants', type: 'delete', id: grantId })
    expect(await chat()).toBe('not_found')
    expect(await sessionOf(id)).toMatchObject({ audiences: ['user:ada'], members: ['user:ada'] })
  })

  test('can be given up by its user, but not by another', async () => {
    const { grants } = await givenSession(['user:bob', 'viewer'], ['team:x', 'viewer'])
    const remove = (id = ''): MutationInput => ({ collection: 'sessionGrants', type: 'delete', id })
    expect(await codeOf(teamMate, remove(grants[0]))).toBe('forbidden')
    expect(await codeOf(teamMate, remove(grants[1]))).toBe('forbidden')
    expect(await codeOf(bob, remove(grants[0]))).toBe('written')
  })

  test('of a grantee that has one is a conflict', async () => {
    const { id } = await givenSession(['user:bob', 'viewer'])
    const again = fixture.write(ada, grant(id, 'user:bob', 'editor'))
    expect((await refusalOf(again)).code).toBe('conflict')
  })

  test.each(['', 'bob', 'User:bob', 'user:', `user:${'x'.repeat(300)}`])(
    'rejects the grantee %j',
    async (grantee) => {
      const { id } = await givenSession()
      const refused = await refusalOf(fixture.write(ada, grant(id, grantee, 'viewer')))
      expect(refused.code).toBe('invalid')
    },
  )
})

describe('ownership', () => {
  test('is transferred by the owner only', async () => {
    const { id } = await givenSession(['user:bob', 'editor'])
    expect(await codeOf(bob, rename(id, { ownerId: 'bob' }))).toBe('forbidden')
    expect(await codeOf(bob, rename(id, { visibility: 'tenant' }))).toBe('forbidden')
    await fixture.write(ada, rename(id, { ownerId: 'bob' }))
    expect(await sessionOf(id)).toMatchObject({ audiences: ['user:bob'], editors: ['user:bob'] })
    expect(await codeOf(ada, rename(id))).toBe('not_found')
    expect(await codeOf(bob, { collection: 'sessions', type: 'delete', id })).toBe('written')
  })
})

describe('visibility and the grant to the tenant', () => {
  const tenantGrants = (id: string) =>
    fixture.rows<{ id: string; role: string }>(
      "SELECT id, role FROM session_grants WHERE session_id = $1 AND grantee = 'tenant'",
      [id],
    )

  test('follow each other', async () => {
    const { id } = await givenSession()
    await fixture.write(ada, rename(id, { visibility: 'tenant' }))
    expect(await tenantGrants(id)).toMatchObject([{ role: 'member' }])
    await fixture.write(ada, rename(id, { visibility: 'private' }))
    expect(await tenantGrants(id)).toEqual([])
    await fixture.write(ada, grant(id, 'tenant', 'viewer'))
    expect(await sessionOf(id)).toMatchObject({
      visibility: 'tenant',
      audiences: ['tenant', 'user:ada'],
      members: ['user:ada'],
    })
    const [granted] = await tenantGrants(id)
    const remove = { collection: 'sessionGrants', type: 'delete', id: granted?.id ?? '' } as const
    await fixture.write(ada, remove)
    expect(await sessionOf(id)).toMatchObject({ visibility: 'private', audiences: ['user:ada'] })
  })
})

test('concurrent grants all count', async () => {
  const { id } = await givenSession()
  const users = Array.from({ length: 20 }, (_, index) => `user:u${index}`)
  await Promise.all(users.map((user) => fixture.write(ada, grant(id, user, 'viewer'))))
  expect((await sessionOf(id))?.audiences).toHaveLength(21)
})

test('the derived columns equal the grants after any changes', async () => {
  const grantee = fc.constantFrom('tenant', 'user:ada', 'user:bob', 'team:x', 'team:y')
  const role = fc.constantFrom('viewer', 'member', 'editor')
  const step = fc.oneof(
    fc.record({ do: fc.constant('grant' as const), grantee, role }),
    fc.record({ do: fc.constant('revoke' as const), grantee }),
    fc.record({ do: fc.constant('show' as const), to: fc.constantFrom('private', 'tenant') }),
    fc.record({ do: fc.constant('give' as const), to: fc.constantFrom('ada', 'bob') }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const { id } = await givenSession()
      for (const each of steps) {
        if (each.do === 'show') {
          await fixture.rows('UPDATE sessions SET visibility = $2 WHERE id = $1', [id, each.to])
        } else if (each.do === 'give') {
          await fixture.rows('UPDATE sessions SET owner_id = $2 WHERE id = $1', [id, each.to])
        } else if (each.do === 'revoke') {
          await fixture.rows('DELETE FROM session_grants WHERE session_id = $1 AND grantee = $2', [
            id,
            each.grantee,
          ])
        } else {
          await fixture.rows(
            `INSERT INTO session_grants (tenant_id, id, session_id, grantee, role, created_by)
             VALUES ('acme', $1, $2, $3, $4, 'ada')
             ON CONFLICT (session_id, tenant_id, grantee) DO UPDATE SET role = excluded.role`,
            [randomUUID(), id, each.grantee, each.role],
          )
        }
      }
      const [expected] = await fixture.rows(
        `WITH given AS (
           SELECT 'user:' || owner_id AS grantee, 'editor' AS role FROM sessions WHERE id = $1
           UNION ALL SELECT grantee, role FROM session_grants WHERE session_id = $1
         ), sorted AS (SELECT * FROM given ORDER BY grantee COLLATE "C")
         SELECT CASE WHEN bool_or(grantee = 'tenant') THEN 'tenant' ELSE 'private' END AS visibility,
           (SELECT array_agg(DISTINCT grantee COLLATE "C") FROM sorted) AS audiences,
           (SELECT array_agg(DISTINCT grantee COLLATE "C") FROM sorted WHERE role <> 'viewer')
             AS members,
           (SELECT array_agg(DISTINCT grantee COLLATE "C") FROM sorted WHERE role = 'editor')
             AS editors
         FROM sorted`,
        [id],
      )
      expect(await sessionOf(id)).toEqual(expected)
    }),
    { numRuns: cases(40, 1_000) },
  )
})
