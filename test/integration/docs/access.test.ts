import { setupServer } from 'msw/node'
import { expect, onTestFinished, test } from 'vitest'
import { createSessionCollections } from '../../../src/collections/index.ts'
import type { Principal } from '../../../src/schema/index.ts'
import type { Authenticate } from '../../../src/server/index.ts'
import { createLinkToken, linkGrantees } from '../../../src/shapes/index.ts'
import { createMemoryWriteAdapter, createShapeMock } from '../../../src/testing/index.ts'

// The examples of docs/access.md, verbatim.

const users: Readonly<Record<string, { id: string; tenant: string; teams: readonly string[] }>> = {
  ann: { id: 'ann', tenant: 'acme', teams: [] },
  ben: { id: 'ben', tenant: 'acme', teams: [] },
  cy: { id: 'cy', tenant: 'acme', teams: ['support'] },
}

async function userOf(request: Request) {
  return users[request.headers.get('authorization') ?? '']
}

const authenticate: Authenticate = async (request) => {
  const user = await userOf(request)
  if (user === undefined) return null
  return {
    tenantId: user.tenant,
    userId: user.id,
    groups: user.teams.map((team) => `team:${team}`),
  }
}

const authenticateWithLinks: Authenticate = async (request) => {
  const principal = await authenticate(request)
  const tokens = request.headers.get('x-link-tokens')?.split(',') ?? []
  const links = await linkGrantees(tokens)
  return principal && { ...principal, groups: [...(principal.groups ?? []), ...links] }
}

const sessionId = 's1'
const electricUrl = 'http://app.test/api/shapes'

function start() {
  const mock = createShapeMock({
    electricUrl,
    principal: { tenantId: 'acme', userId: 'ann' },
    authenticate: async (request) => (await authenticateWithLinks(request)) ?? null,
    tables: { sessions: [{ id: sessionId }], chatThreads: [{ id: 't1', sessionId }] },
  })
  const server = setupServer(...mock.handlers)
  server.listen()
  onTestFinished(() => server.close())
  return async (user: string, linkToken = '') => {
    const headers = { authorization: user, 'x-link-tokens': linkToken }
    const request = new Request('http://app.test', { headers })
    const principal = (await authenticateWithLinks(request)) as Principal
    const db = createSessionCollections({
      electricUrl,
      headers,
      identity: principal,
      writeAdapter: createMemoryWriteAdapter(mock, { principal }),
    })
    onTestFinished(() => db.cleanup())
    await db.sessions.preload()
    return db
  }
}

test('docs/access.md', async () => {
  const open = start()
  const [db, ben, cy] = [await open('ann'), await open('ben'), await open('cy')]
  const shared = db.session(sessionId).grants
  await shared.preload()
  const chatOfCy = () =>
    cy.actions.appendMessage({ threadId: 't1', role: 'user', content: 'Hi' }).committed.then(
      () => 'written',
      (error: { code: string }) => error.code,
    )

  const { id: grantId } = db.actions.shareSession(sessionId, 'team:support', 'viewer')
  await expect.poll(() => cy.sessions.has(sessionId)).toBe(true)
  expect([ben.sessions.size, shared.get(grantId)?.role]).toEqual([0, 'viewer'])
  expect(await chatOfCy()).toBe('forbidden')

  db.actions.changeRole(grantId, 'member')
  await expect.poll(chatOfCy).toBe('written')

  db.actions.unshareSession(grantId)
  await expect.poll(() => cy.sessions.size).toBe(0)
  expect(await chatOfCy()).toBe('not_found')

  db.actions.shareSession(sessionId, 'user:ben', 'viewer')
  await expect.poll(() => ben.sessions.has(sessionId)).toBe(true)
  const own = ben.session(sessionId).grants
  await own.preload()
  await expect.poll(() => own.toArray.map(({ grantee }) => grantee)).toEqual(['user:ben'])
  const { grants } = db.session(sessionId)
  await grants.preload()
  const roles = grants.toArray.map(({ grantee, role }) => `${grantee} is ${role}`)
  expect(roles).toEqual(['user:ben is viewer'])

  ben.actions.leaveSession(sessionId)
  await expect.poll(() => ben.sessions.size).toBe(0)
  await expect(ben.actions.leaveSession(sessionId).committed).rejects.toMatchObject({
    code: 'not_found',
  })

  const { token, grantee } = await createLinkToken()
  const link = db.actions.shareSession(sessionId, grantee, 'viewer')
  const url = `https://app.example/join#${token}`
  const withLink = await open('ben', new URL(url).hash.slice(1))
  await expect.poll(() => withLink.sessions.size).toBe(1)
  expect(ben.sessions.size).toBe(0)
  db.actions.unshareSession(link.id)
  await expect.poll(() => withLink.sessions.size).toBe(0)

  db.actions.transferSession(sessionId, 'ben')
  await expect.poll(() => ben.sessions.size).toBe(1)
  await expect.poll(() => db.sessions.size).toBe(0)
})
