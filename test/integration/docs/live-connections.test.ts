import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createSessionCollections } from '../../../src/collections/index.ts'
import { createShapeProxy, createWriteHandler } from '../../../src/server/index.ts'
import { createHttpWriteAdapter } from '../../../src/writes/index.ts'
import { type Served, serve } from '../../unit/proxy/serve.ts'
import { type Backend, startBackend } from './backend.ts'

// The examples of docs/live-connections.md, verbatim.

const principal = { tenantId: 'acme', userId: 'ada' }

let backend: Backend

beforeAll(async () => {
  backend = await startBackend()
})
afterAll(() => backend.close())

/** The app's server, with shape requests counted by path. */
async function startApp(
  isSignedIn: (request: Request) => boolean,
): Promise<Served & { asked: string[] }> {
  const asked: string[] = []
  const { store, engineUrl } = backend
  const authenticate = (request: Request) => (isSignedIn(request) ? principal : null)
  const serveShape = createShapeProxy({ electricUrl: engineUrl, authenticate })
  const serveWrite = createWriteHandler({ store, authenticate })
  const app = await serve((request) => {
    const { pathname } = new URL(request.url)
    asked.push(pathname)
    return pathname.startsWith('/api/shapes/') ? serveShape(request) : serveWrite(request)
  })
  return { ...app, asked }
}

test('sends each live poll as its own request', async () => {
  const app = await startApp(() => true)
  const electricUrl = `${app.url}/api/shapes`
  const writeAdapter = createHttpWriteAdapter({ url: `${app.url}/api/write` })
  const db = createSessionCollections({ electricUrl, writeAdapter, shareLiveConnections: false })
  await db.sessions.preload()
  await db.actions.createSession({ title: 'Alone', source: 'upload', format: 'codex' }).committed
  expect(db.sessions.size).toBe(1)
  expect(app.asked).not.toContain('/api/shapes/_live')
  await db.cleanup()
  await app.close()
})

test('refreshes a token once for all requests, and signs out', async () => {
  let valid = 'first'
  const app = await startApp(
    (request) => request.headers.get('authorization') === `Bearer ${valid}`,
  )
  const electricUrl = `${app.url}/api/shapes`
  let held = 'first'
  const tokens = {
    current: () => held,
    refresh: vi.fn(async () => {
      held = valid
    }),
  }
  const location = { assign: vi.fn() }
  const writeAdapter = createHttpWriteAdapter({
    url: `${app.url}/api/write`,
    headers: { authorization: () => `Bearer ${tokens.current()}` },
  })
  const db = createSessionCollections({
    electricUrl,
    writeAdapter,
    headers: { authorization: () => `Bearer ${tokens.current()}` },
    onUnauthenticated: () => tokens.refresh(), // once for all streams, writes and uploads
    onSignedOut: () => location.assign('/sign-in'),
  })
  await db.sessions.preload()
  valid = 'second'
  const { committed } = db.actions.createSession({
    title: 'After',
    source: 'upload',
    format: 'codex',
  })
  await committed
  expect(tokens.refresh).toHaveBeenCalledTimes(1)
  await db.signOut()
  expect(db.sessions.size).toBe(0)
  await db.cleanup()
  await app.close()
})
