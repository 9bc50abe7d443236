import { request as httpsRequest } from 'node:https'
import { createGunzip } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { choosePort } from '../../../src/dev/ports.ts'
import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import { createFrameReader, FRAME_TYPE } from '../../../src/live/frames.ts'
import { createSessionStore, createShapeProxy } from '../../../src/server/index.ts'
import { migratedDatabase } from '../../support/database.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { serve } from '../../unit/proxy/serve.ts'
import { hasNginx, makeCertificate, startNginx } from './nginx-fixture.ts'

const directories = temporaryDirectories()
afterAll(directories.remove)

describe.runIf(hasNginx)('nginx', () => {
  test('the cache for Electric shares answers, serves no other path and logs no secret', async () => {
    const database = await migratedDatabase()
    const shapes = await createShapeServer({ database: database.url, secret: 'hidden' })
    const upstream = new URL((await shapes.listen()).url).host
    const port = await choosePort({})
    const nginx = await startNginx(await directories.create(), 'electric-cache.conf', (text) =>
      text
        .replace('server electric:3000', `server ${upstream}`)
        .replace('listen 8080', `listen 127.0.0.1:${port}`),
    )
    const base = `http://127.0.0.1:${port}`
    const health = () => fetch(`${base}/v1/health`).then(statusOf, () => 0)
    await expect.poll(health).toBe(200)
    const ask = (path: string, query: Record<string, string> = {}) =>
      fetch(
        `${base}${path}?${new URLSearchParams({ table: 'sessions', offset: '-1', secret: 'hidden', ...query })}`,
      )
    const first = await ask('/v1/shape')
    const second = await ask('/v1/shape')
    expect([first.status, first.headers.get('x-cache-status')]).toEqual([200, 'MISS'])
    expect([second.status, second.headers.get('x-cache-status')]).toEqual([200, 'HIT'])
    expect(await second.text()).toBe(await first.text())
    expect(second.headers.get('electric-handle')).toBe(first.headers.get('electric-handle'))
    const refused = await ask('/v1/shape', { secret: 'wrong' })
    expect(refused.status).toBe(401)
    for (const path of ['/v1/shape/', '/v1//shape', '/v1/shapes', '/', '/metrics']) {
      const { status } = await ask(path, { secret: '' })
      expect([401, 404], path).toContain(status)
    }
    const log = await nginx.stop()
    expect(log).toContain('"GET /v1/shape" 200')
    expect(log).not.toContain('hidden')
    await shapes.close()
    await database.drop()
  })

  test('in front of the app, live answers are compressed and not buffered', async () => {
    const database = await migratedDatabase()
    const store = createSessionStore({ database: database.url })
    const shapes = await createShapeServer({ database: database.url })
    const principal = { tenantId: 't', userId: 'u' }
    const electricUrl = (await shapes.listen()).url
    const app = await serve(createShapeProxy({ electricUrl, authenticate: () => principal }))
    const port = await choosePort({})
    const directory = await directories.create()
    await makeCertificate(directory)
    const nginx = await startNginx(directory, 'app.conf', (text) =>
      text
        .replace('server app:3000', `server ${new URL(app.url).host}`)
        .replace('listen 443', `listen 127.0.0.1:${port}`),
    )
    const polled = await pollOnward(app.url)
    const live = await openLiveBatch(port, polled)
    try {
      expect(live.headers['content-encoding']).toBe('gzip')
      for (let n = 1; n <= 20; n++) {
        const value = { id: `session-${n}`, title: `Session ${n}` }
        await store.write(principal, {
          id: `batch-${n}`,
          mutations: [{ collection: 'sessions', type: 'insert', value }],
        })
        // The connection stays open, so only flushed data has arrived.
        await expect.poll(live.answers).toBe(n)
      }
      expect(live.text()).toContain('Session 20')
      expect(live.bytes().received).toBeLessThan(live.bytes().sent / 4)
    } finally {
      live.close()
      await nginx.stop()
      await app.close()
      await shapes.close()
      await store.close()
      await database.drop()
    }
  })
})

const statusOf = ({ status }: Response) => status

/** Reads a shape to its end and returns the parameters of the next request. */
async function pollOnward(appUrl: string): Promise<string> {
  let query = new URLSearchParams({ offset: '-1' })
  for (;;) {
    const answer = await fetch(`${appUrl}/api/shapes/sessions?${query}`)
    await answer.text()
    const header = (name: string) => answer.headers.get(`electric-${name}`) ?? ''
    query = new URLSearchParams({ offset: header('offset'), handle: header('handle') })
    if (answer.headers.has('electric-up-to-date')) break
  }
  return `${query}&live=true`
}

/** Opens a batch with one poll through nginx, like a browser, and reads its frames. */
async function openLiveBatch(port: number, query: string) {
  const asked = httpsRequest({
    host: '127.0.0.1',
    port,
    path: '/api/shapes/_live',
    method: 'POST',
    rejectUnauthorized: false, // the certificate was made for this test
    headers: { host: 'app.example', 'content-type': 'application/json', 'accept-encoding': 'gzip' },
  })
  asked.end(JSON.stringify({ polls: [{ shape: 'sessions', query }] }))
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    asked.on('response', resolve)
    asked.on('error', reject)
  })
  const read = createFrameReader()
  let [received, sent, answers, text] = [0, 0, 0, '']
  response.on('error', () => undefined) // aborted at the end
  response.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  const plain = response.pipe(createGunzip())
  plain.on('error', () => undefined)
  plain.on('data', (chunk: Buffer) => {
    sent += chunk.length
    for (const { type, payload } of read(new Uint8Array(chunk))) {
      if (type === FRAME_TYPE.data) text += new TextDecoder().decode(payload)
      if (type === FRAME_TYPE.end) answers += 1
    }
  })
  return {
    headers: response.headers,
    answers: () => answers,
    text: () => text,
    bytes: () => ({ received, sent }),
    close: () => asked.destroy(),
  }
}
