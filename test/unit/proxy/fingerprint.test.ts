import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFrameReader, readJsonPayload } from '../../../src/live/frames.ts'
import { PRINCIPAL_HEADER } from '../../../src/live/protocol.ts'
import type { Fingerprint } from '../../../src/server/index.ts'
import { createShapeProxy } from '../../../src/server/index.ts'
import { type FakeElectric, startFakeElectric } from './fake-electric.ts'

interface AppPrincipal {
  readonly tenantId: string
  readonly userId: string
  readonly roles: readonly string[]
}

let electric: FakeElectric
beforeEach(async () => {
  electric = await startFakeElectric()
})
afterEach(() => electric.close())

const proxy = (fingerprint?: Fingerprint<AppPrincipal>) =>
  createShapeProxy<AppPrincipal>({
    electricUrl: electric.url,
    authenticate: (request) => {
      const [userId = '', ...roles] = request.headers.get('x-user')?.split('/') ?? []
      return { tenantId: 't1', userId, roles }
    },
    ...(fingerprint && { fingerprint }),
  })

const byRoles = proxyOf(({ roles }) => roles.join())
const withoutRoles = proxyOf()

function proxyOf(fingerprint?: Fingerprint<AppPrincipal>) {
  return async (user: string) => {
    const request = new Request('http://app.test/shapes/sessions?offset=-1', {
      headers: { 'x-user': user },
    })
    const response = await proxy(fingerprint)(request)
    return response.headers.get(PRINCIPAL_HEADER) ?? ''
  }
}

test('gives equal digests for equal rights of one user, and different ones for other rights', async () => {
  expect(await byRoles('ann/admin')).toBe(await byRoles('ann/admin'))
  const digests = ['ann/admin', 'ann/reader', 'ann', 'bob/admin']
  expect(new Set(await Promise.all(digests.map(byRoles))).size).toBe(digests.length)
  expect(await withoutRoles('ann/admin')).toBe(await withoutRoles('ann/reader'))
})

test('starts the digest with the user, independent of rights', async () => {
  const [admin, reader] = [await byRoles('ann/admin'), await byRoles('ann/reader')]
  expect(admin).toMatch(/^[0-9a-f]{32}\.[0-9a-f]{32}$/)
  expect(admin.split('.')[0]).toBe(await withoutRoles('ann'))
  expect(reader.split('.')[0]).toBe(admin.split('.')[0])
})

test('sends the digest with a batch', async () => {
  const response = await proxy(({ roles }) => roles.join())(
    new Request('http://app.test/shapes/_live', {
      method: 'POST',
      headers: { 'x-user': 'ann/admin', 'content-type': 'application/json' },
      body: '{"polls":[{"shape":"sessions","query":"live=true&offset=0_0&handle=h"}]}',
    }),
  )
  expect(response.headers.get(PRINCIPAL_HEADER)).toBe(await byRoles('ann/admin'))
  const [hello] = createFrameReader()(new Uint8Array(await response.arrayBuffer()))
  expect(hello && readJsonPayload(hello)).toEqual({ principal: await byRoles('ann/admin') })
})

test('returns 503 and sends nothing to the engine when the fingerprint throws', async () => {
  const broken = proxy(() => {
    throw new Error('no roles')
  })
  const response = await broken(
    new Request('http://app.test/shapes/sessions?offset=-1', { headers: { 'x-user': 'ann' } }),
  )
  expect(response.status).toBe(503)
  expect(response.headers.has(PRINCIPAL_HEADER)).toBe(false)
  expect(electric.seen).toEqual([])
})
