import { setupServer } from 'msw/node'
import { expect, onTestFinished, test } from 'vitest'
import { createSessionCollections } from '../../../src/collections/index.ts'
import type { Principal } from '../../../src/schema/index.ts'
import type { Authenticate } from '../../../src/server/index.ts'
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

const sessionId = 's1'
const electricUrl = 'http://app.test/api/shapes'

function start() {
  const mock = createShapeMock({
    electricUrl,
    principal: { tenantId: 'acme', userId: 'ann' },
    authenticate: async (request) => (await authenticate(request)) ?? null,
    tables: { sessions: [{ id: sessionId }], chatThreads: [{ id: 't1', sessionId }] },
  })
  const server = setupServer(...mock.handlers)
  server.listen()
  onTestFinished(() => server.close())
  return async (user: string) => {
    const request = new Request('http://app.test', { headers: { authorization: user } })
    const principal = (await authenticate(request)) as Principal
    const db = createSessionCollections({
      electricUrl,
      headers: { authorization: user },
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
  const { grants } = db.session(sessionId)
  await grants.preload()
  const chatOfCy = () =>
    cy.actions.appendMessage({ threadId: 't1', role: 'user', content: 'Hi' }).committed.then(
      () => 'written',
      (error: { code: string }) => error.code,
    )

  const { id: grantId } = db.actions.shareSession(sessionId, 'team:support', 'viewer')
  await expect.poll(() => cy.sessions.has(sessionId)).toBe(true)
  expect([ben.sessions.size, grants.get(grantId)?.role]).toEqual([0, 'viewer'])
  expect(await chatOfCy()).toBe('forbidden')

  db.actions.changeRole(grantId, 'member')
  await expect.poll(chatOfCy).toBe('written')

  db.actions.unshareSession(grantId)
  await expect.poll(() => cy.sessions.size).toBe(0)
  expect(await chatOfCy()).toBe('not_found')

  db.actions.transferSession(sessionId, 'ben')
  await expect.poll(() => ben.sessions.size).toBe(1)
  await expect.poll(() => db.sessions.size).toBe(0)
})
