import { generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createHttpWriteAdapter, createSessionCollections } from '../../../../src/index.ts'
import {
  type Authenticate,
  createShapeProxy,
  createWriteHandler,
} from '../../../../src/server/index.ts'
import { serve } from '../../../unit/proxy/serve.ts'
import { type Backend, startBackend } from '../backend.ts'

let backend: Backend

beforeAll(async () => {
  backend = await startBackend()
})
afterAll(() => backend.close())

test('docs/recipes/bearer-token.md', async () => {
  const { store, engineUrl } = backend
  const issuer = 'https://id.example.com'
  const { publicKey: keys, privateKey } = await generateKeyPair('ES256')
  const sign = (audience: string, key = privateKey) =>
    new SignJWT({ org: 'acme' })
      .setProtectedHeader({ alg: 'ES256' })
      .setSubject('ann')
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime('5m')
      .sign(key)

  // In production: const keys = createRemoteJWKSet(new URL('https://id.example.com/.well-known/jwks.json'))
  const authenticate: Authenticate = async (request) => {
    const [, token] = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '') ?? []
    if (token === undefined) return null
    const verified = await jwtVerify(token, keys, { issuer, audience: 'session-db' }).catch(
      () => null,
    )
    const { sub, org } = verified?.payload ?? {}
    return typeof sub === 'string' && typeof org === 'string'
      ? { tenantId: org, userId: sub }
      : null
  }
  const serveShape = createShapeProxy({ electricUrl: engineUrl, authenticate })
  const serveWrite = createWriteHandler({ store, authenticate })
  const { url, close } = await serve((request) =>
    new URL(request.url).pathname === '/api/write' ? serveWrite(request) : serveShape(request),
  )

  const statusFor = async (headers: Record<string, string>) =>
    (await fetch(`${url}/api/shapes/sessions?offset=-1`, { headers })).status
  const stranger = (await generateKeyPair('ES256')).privateKey
  expect(await statusFor({})).toBe(401)
  expect(await statusFor({ authorization: `Bearer ${await sign('another-service')}` })).toBe(401)
  const forged = await sign('session-db', stranger)
  expect(await statusFor({ authorization: `Bearer ${forged}` })).toBe(401)

  let token = await sign('another-service')
  const tokens = {
    current: () => token,
    refresh: vi.fn(async () => {
      token = await sign('session-db')
    }),
  }
  const authorization = () => `Bearer ${tokens.current()}`
  const db = createSessionCollections({
    electricUrl: `${url}/api/shapes`,
    headers: { authorization },
    writeAdapter: createHttpWriteAdapter({
      url: `${url}/api/write`,
      headers: { authorization },
    }),
    onUnauthenticated: () => tokens.refresh(),
  })
  await db.sessions.preload()
  const { id, committed } = db.actions.createSession({ title: 'Signed in' })
  await committed
  expect(db.sessions.get(id)).toMatchObject({ ownerId: 'ann', tenantId: 'acme' })
  expect(tokens.refresh).toHaveBeenCalledTimes(1)
  await db.cleanup()
  await close()
})
