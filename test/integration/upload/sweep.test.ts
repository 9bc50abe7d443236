import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { ContentStore } from '../../../src/server/uploads/content/content-store.ts'
import { createContentStores } from '../../../src/server/uploads/content/postgres-content-store.ts'
import { createS3ContentStore } from '../../../src/server/uploads/content/s3-content-store.ts'
import { noteGarbage } from '../../../src/server/uploads/derivation/seal-content.ts'
import { sweep } from '../../../src/server/uploads/derivation/worker.ts'
import { ada, bob, type StoreFixture, startStore } from '../server/store-fixture.ts'
import { collect, keyOf, sourceOf } from './content-contract.ts'
import { codexLog, streamOf } from './log-file.ts'
import { type S3Server, startS3 } from './s3-server.ts'

let s3: S3Server
let contents: ContentStore
let fixture: StoreFixture
const errors: unknown[] = []

beforeAll(async () => {
  s3 = await startS3()
  contents = createS3ContentStore({ client: s3.client, bucket: s3.bucket })
  fixture = await startStore({ contents, onError: (error) => errors.push(error) })
})

afterEach(() => errors.splice(0))

afterAll(async () => {
  await fixture?.close()
  await s3?.stop()
})

async function upload(bytes: Buffer, principal = ada): Promise<string> {
  const session = { id: randomUUID(), title: 'run.jsonl', originalName: 'run.jsonl' }
  const { sessionId } = await fixture.store.createSession(principal, session)
  const state = await fixture.store.uploadContent(principal, sessionId, streamOf(bytes))
  expect({ status: state.status, errors }).toEqual({ status: 'ready', errors: [] })
  return sessionId
}

const remove = (id: string, principal = ada) =>
  fixture.write(principal, { collection: 'sessions', type: 'delete', id })

async function sweepNow() {
  const { pool } = fixture
  const onError = (error: unknown) => errors.push(error)
  const stores = createContentStores(pool, contents)
  return sweep({ pool, contents: stores, onError }, { abandonedAfterMs: 60_000, graceMs: 0 })
}

const isStored = async (bytes: Buffer) => (await contents.stat(keyOf(bytes, 'acme'))) !== undefined

const notes = () => fixture.rows('SELECT content_ref FROM session_content_garbage')

test('deletes a content with the last session that refers to it', async () => {
  const bytes = codexLog(20, randomUUID())
  const one = await upload(bytes)
  const two = await upload(bytes, bob)
  expect(await isStored(bytes)).toBe(true)
  await remove(one)
  await sweepNow()
  expect(await isStored(bytes)).toBe(true)
  expect((await collect((await fixture.store.openContent(bob, two)).body)).equals(bytes)).toBe(true)
  await remove(two, bob)
  expect(await notes()).toHaveLength(1)
  expect(await sweepNow()).toEqual({ contents: 1, uploads: 0 })
  expect(await isStored(bytes)).toBe(false)
  expect(await notes()).toEqual([])
})

test('deletes a content stored by a process that died before a session referred to it', async () => {
  const bytes = codexLog(3, randomUUID())
  const key = keyOf(bytes, 'acme')
  await noteGarbage(fixture.pool, 'acme', `s3:${key.sha256}`)
  await contents.put(key, sourceOf(bytes))
  expect(await sweepNow()).toEqual({ contents: 1, uploads: 0 })
  expect(await contents.stat(key)).toBeUndefined()
})

test('keeps a content that a session refers to by now, and drops its mark', async () => {
  const bytes = codexLog(4, randomUUID())
  const id = await upload(bytes)
  await noteGarbage(fixture.pool, 'acme', `s3:${keyOf(bytes, 'acme').sha256}`)
  expect(await sweepNow()).toEqual({ contents: 0, uploads: 0 })
  expect(await notes()).toEqual([])
  expect((await collect((await fixture.store.openContent(ada, id)).body)).equals(bytes)).toBe(true)
  await remove(id)
  await sweepNow()
})

test('keeps the marks of a store that is down without delaying other stores', async () => {
  const bytes = codexLog(5, randomUUID())
  await noteGarbage(fixture.pool, 'acme', `gone:${'a'.repeat(64)}`)
  await remove(await upload(bytes))
  expect(await sweepNow()).toEqual({ contents: 1, uploads: 0 })
  expect(errors).toEqual([expect.objectContaining({ code: 'unavailable' })])
  expect(await notes()).toEqual([{ content_ref: `gone:${'a'.repeat(64)}` }])
  await fixture.rows('DELETE FROM session_content_garbage')
})

test('never deletes a referred content during concurrent uploads, deletions and sweeps', async () => {
  const bytes = codexLog(30, randomUUID())
  let sweeping = true
  const sweeps = (async () => {
    let swept = 0
    while (sweeping) swept += (await sweepNow()).contents
    return swept
  })()
  // Each deletes the last session with the content, as often as not, while the others bring it again.
  const kept = await Promise.all(
    [ada, bob, ada, bob].map(async (principal) => {
      for (let round = 0; round < 5; round++)
        await remove(await upload(bytes, principal), principal)
      return { principal, id: await upload(bytes, principal) }
    }),
  )
  sweeping = false
  await sweeps
  await sweepNow()
  for (const { principal, id } of kept) {
    const content = await fixture.store.openContent(principal, id)
    expect((await collect(content.body)).equals(bytes)).toBe(true)
  }
  for (const { principal, id } of kept) await remove(id, principal)
  await sweepNow()
  expect(await isStored(bytes)).toBe(false)
  expect(errors).toEqual([])
})
