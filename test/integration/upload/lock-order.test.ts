import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimJob, finishJob, renewLease } from '../../../src/server/uploads/derivation/jobs.ts'
import { failUpload } from '../../../src/server/uploads/receive-content.ts'
import { ada, type StoreFixture, startStore } from '../server/store-fixture.ts'
import { codexLog, streamOf } from './log-file.ts'

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore({ uploads: { deriveAtOnceBytes: 0 } })
})

afterAll(() => fixture.close())

/** A job and its derivation's transaction, after the session is set to ready and before the job ends. */
async function almostDone() {
  const session = { id: randomUUID(), title: 'run.jsonl', originalName: 'run.jsonl' }
  const { sessionId } = await fixture.store.createSession(ada, session)
  await fixture.store.uploadContent(ada, sessionId, streamOf(codexLog(3)))
  const job = await claimJob(fixture.pool, randomUUID(), 30_000, { tenantId: 'acme', sessionId })
  if (job === undefined) throw new Error('there is no job')
  const client = await fixture.pool.connect()
  await client.query('BEGIN')
  await client.query("UPDATE sessions SET status = 'ready' WHERE id = $1", [sessionId])
  return {
    job,
    sessionId,
    async finish() {
      try {
        await finishJob(client, job, 'test')
        await client.query('COMMIT')
      } finally {
        client.release(true)
      }
    },
  }
}

const stateOf = (sessionId: string) =>
  fixture.rows(
    `SELECT s.status, u.state FROM sessions s JOIN session_uploads u ON u.session_id = s.id
     WHERE s.id = $1`,
    [sessionId],
  )

test('lets a heartbeat wait for the end of its derivation without a deadlock', async () => {
  const { job, sessionId, finish } = await almostDone()
  const progress = { doneBytes: 1, totalBytes: 2, events: 1 }
  const renewed = renewLease(fixture.pool, job, 30_000, progress)
  await fixture.untilBlocked()
  await finish()
  expect(await renewed).toBe(false)
  expect(await stateOf(sessionId)).toEqual([{ status: 'ready', state: 'done' }])
})

test('ends ready when an upload is cancelled while its derivation commits', async () => {
  const { sessionId, finish } = await almostDone()
  const failed = failUpload({ pool: fixture.pool }, 'acme', sessionId, 'Too slow.')
  await fixture.untilBlocked()
  await finish()
  await failed
  expect(await stateOf(sessionId)).toEqual([{ status: 'ready', state: 'done' }])
})
