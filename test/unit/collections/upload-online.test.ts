import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { uploadSession } from '../../../src/collections/index.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { serve } from '../proxy/serve.ts'
import { open } from './support/open.ts'
import { stubPage } from './support/stub-page.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** An upload route that stores what it gets, behind a connection that can be cut. */
async function startUploadRoute() {
  let stored = ''
  const server = await serve(async (request) => {
    if (request.method === 'PATCH') stored += await request.text()
    const status = stored.length < 8 ? 'pending' : 'ready'
    const headers = { 'upload-offset': String(stored.length), 'session-status': status }
    return new Response(null, { headers })
  })
  const proxy = await startTcpProxy(Number(new URL(server.url).port))
  onTestFinished(async () => {
    await proxy.close()
    await server.close()
  })
  return { proxy, url: `http://127.0.0.1:${proxy.port}/uploads`, stored: () => stored }
}

test('a waiting upload resumes when the browser is online again, in the middle of a pause', async () => {
  const { proxy, url, stored } = await startUploadRoute()
  const { db } = open({ uploadUrl: url, fetchClient: (input, init) => fetch(input, init) })
  const page = stubPage()
  let isWaiting = () => {}
  const waits = new Promise<void>((resolve) => (isWaiting = resolve))
  const { uploaded } = uploadSession(db, {
    file: new Blob(['abcdefgh']),
    partBytes: 4,
    onProgress({ uploadedBytes, retrying }) {
      if (retrying) isWaiting()
      else if (uploadedBytes === 4) proxy.cut()
    },
  })
  await waits
  expect(stored()).toBe('abcd')

  proxy.heal()
  page.goOnline()
  await expect(uploaded).resolves.toEqual({ status: 'ready' })
  expect(stored()).toBe('abcdefgh')
})
