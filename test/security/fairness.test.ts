import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTransaction } from '../../src/server/connections.ts'
import { createSessionStore } from '../../src/server/index.ts'
import { claimJob } from '../../src/server/uploads/derivation/jobs.ts'
import {
  ada,
  bob,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
} from '../integration/server/store-fixture.ts'
import { codexLog, streamOf } from '../integration/upload/log-file.ts'

/** One user's work never stops another's. */

let fixture: StoreFixture
beforeAll(async () => {
  fixture = await startStore({ uploads: { deriveAtOnceBytes: 0 } })
})
afterAll(() => fixture.close())

test('users take turns in the queue of derivations, whoever has queued more', async () => {
  const { store, pool } = fixture
  const queue = async (userId: string) => {
    const principal = { tenantId: 'acme', userId }
    const id = `${userId}-${randomUUID()}`
    await store.createSession(principal, { id, title: 'x' })
    await store.uploadContent(principal, id, streamOf(codexLog(1, id)))
  }
  for (let n = 0; n < 5; n++) await queue('mallory')
  await queue('cat')
  await queue('dan')
  await queue('cat')
  const served = new Set<string>()
  const order: (string | undefined)[] = []
  for (let n = 0; n < 8; n++) {
    const job = await claimJob(pool, randomUUID(), 600_000, undefined, served)
    order.push(job?.sessionId.split('-')[0])
  }
  expect(order).toEqual([
    ...['mallory', 'cat', 'dan', 'mallory', 'cat'],
    ...['mallory', 'mallory', 'mallory'],
  ])
  expect([...served]).toHaveLength(3)
})

test('a viewer’s refused batch neither applies the rest of its mutations nor keeps the owner waiting', async () => {
  await fixture.write(ada, insertSession('s'), insertThread('s', 'thread'))
  await fixture.write(ada, {
    collection: 'sessionGrants',
    type: 'insert',
    value: { id: randomUUID(), sessionId: 's', grantee: 'user:bob', role: 'viewer' },
  })
  await fixture.write(bob, insertSession('own'), insertThread('own', 'own-thread'))
  await inTransaction(fixture.pool, async (client) => {
    // Whatever comes after the refusal would wait here, with all that the batch has locked.
    await client.query("SELECT FROM chat_threads WHERE id = 'own-thread' FOR UPDATE")
    const refused = refusalOf(
      fixture.write(
        bob,
        insertMessage('thread', 'no'),
        ...Array.from({ length: 499 }, (_, n) => insertMessage('own-thread', `m${n}`)),
      ),
    )
    expect(await refused).toMatchObject({ code: 'forbidden' })
    await fixture.write(ada, insertMessage('thread', 'yes'))
    await fixture.write(ada, {
      collection: 'chatThreads',
      type: 'update',
      id: 'thread',
      changes: { title: 'Mine' },
    })
  })
  expect(await fixture.rows("SELECT id FROM chat_messages WHERE thread_id = 'thread'")).toEqual([
    { id: 'yes' },
  ])
})

test('each chunk of an attachment takes a place, so that many slow downloads don’t stop other reads', async () => {
  const store = createSessionStore({
    database: fixture.url,
    requestLimits: { contents: { maxConcurrent: 1, maxWaiting: 5 } },
  })
  await fixture.write(ada, insertSession('files'), insertThread('files', 'files-thread'))
  const bytes = Buffer.alloc(600_000, 'x')
  await store.createAttachment(ada, {
    id: 'file',
    threadId: 'files-thread',
    totalBytes: bytes.length,
  })
  await store.receiveAttachment(ada, 'file', [bytes])
  const { body } = await store.openAttachment(ada, 'file')
  const reader = body[Symbol.asyncIterator]()
  const leave = await store.limiters.contents.enter(ada)
  let hasRead = false
  const first = reader.next().then((next) => {
    hasRead = true
    return next
  })
  // Other reads of the database have come back by then.
  for (let n = 0; n < 3; n++) await store.attachmentState(ada, 'file')
  expect(hasRead).toBe(false)
  leave()
  expect((await first).value?.byteLength).toBe(256 * 1024)
  // Between two chunks the place is free for others.
  ;(await store.limiters.contents.enter(ada))()
  await reader.return?.()
  await store.close()
})
