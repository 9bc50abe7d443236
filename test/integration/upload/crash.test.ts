import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Program, runProgram } from '../../support/program.ts'
import { ada, type StoreFixture, startStore } from '../server/store-fixture.ts'
import { collect } from './content-contract.ts'
import { codexLog, streamOf } from './log-file.ts'

const PROGRAM = join(import.meta.dirname, 'upload-process.program.ts')
const PGAPPNAME = `killed-${randomUUID()}`
// More for a person who wants to be sure; what CI can wait for otherwise. At least 2 MiB of log: of
// less, nothing is stored before its end, so there would be no moment in which to kill.
const EVENTS = Number(process.env.CRASH_EVENTS ?? 16_000)
const log = codexLog(EVENTS)

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore({ uploads: { deriveAtOnceBytes: 0 }, requestLimits: false })
})

afterAll(() => fixture.close())

function start(what: 'upload' | 'derive', sessionId: string): Program {
  const args = [what, fixture.url, sessionId, String(EVENTS)]
  const program = runProgram(PROGRAM, args, { env: { PGAPPNAME } })
  onTestFinished(async () => {
    program.kill('SIGKILL')
    await program.ended
  })
  return program
}

async function newSession(more: object = {}): Promise<string> {
  const session = { id: randomUUID(), title: 'run.jsonl', originalName: 'run.jsonl', ...more }
  return (await fixture.store.createSession(ada, session)).sessionId
}

/** Asserts what readers may see at any moment: a session that is never ready and partial. */
async function look(sessionId: string) {
  const [row] = await fixture.rows<{ status: string; events: number; progress: number }>(
    `SELECT s.status, coalesce((s.progress ->> 'events')::int, 0) AS progress,
       (SELECT count(*)::int FROM timeline_events e WHERE e.session_id = s.id) AS events
     FROM sessions s WHERE id = $1`,
    [sessionId],
  )
  expect(row?.events).toBe(row?.status === 'ready' ? EVENTS : 0)
  return row
}

async function killedWhen(program: Program, happened: () => Promise<boolean>): Promise<void> {
  await program.firstLine
  while (!(await happened()));
  program.kill('SIGKILL')
  await program.ended
  // Its servers in Postgres end what they were at, and may commit it, before they notice.
  const servers = 'SELECT FROM pg_stat_activity WHERE application_name = $1'
  while ((await fixture.rows(servers, [PGAPPNAME])).length > 0);
}

describe('kill -9', () => {
  test('during an upload: the upload resumes and the session is complete', async () => {
    const sessionId = await newSession({ totalBytes: log.length })
    const received = async () => (await fixture.store.uploadState(ada, sessionId)).receivedBytes
    await killedWhen(start('upload', sessionId), async () => (await received()) > 0)
    const offset = await received()
    expect(offset).toBeLessThan(log.length)
    await look(sessionId)
    const worker = fixture.store.startWorker({ pollMs: 10 })
    await fixture.store.uploadContent(ada, sessionId, streamOf(log.subarray(offset)), { offset })
    await expect.poll(() => look(sessionId), { timeout: 60_000 }).toMatchObject({ status: 'ready' })
    await worker.stop()
    const content = await fixture.store.openContent(ada, sessionId)
    expect((await collect(content.body)).equals(log)).toBe(true)
  })

  test('during an upload that is not resumed: the session fails with a reason and can be retried', async () => {
    const sessionId = await newSession()
    const received = async () => (await fixture.store.uploadState(ada, sessionId)).receivedBytes
    await killedWhen(start('upload', sessionId), async () => (await received()) > 0)
    const sweeper = fixture.store.startWorker({ pollMs: 10, sweepMs: 10, abandonedAfterMs: 1 })
    const state = () => fixture.store.uploadState(ada, sessionId)
    await expect.poll(state, { timeout: 30_000 }).toMatchObject({
      status: 'failed',
      statusReason: 'The upload was not finished in time. Upload the file again.',
      receivedBytes: 0,
    })
    await sweeper.stop()
    const worker = fixture.store.startWorker({ pollMs: 10 })
    await fixture.store.uploadContent(ada, sessionId, streamOf(log))
    await expect.poll(() => look(sessionId), { timeout: 60_000 }).toMatchObject({ status: 'ready' })
    await worker.stop()
  })

  test.each([0, EVENTS / 2])(
    'during a derivation, after %i events: another process completes it',
    async (events) => {
      const sessionId = await newSession()
      await fixture.store.uploadContent(ada, sessionId, streamOf(log))
      const claimed = async () =>
        (
          await fixture.rows(
            'SELECT FROM session_uploads WHERE session_id = $1 AND lease IS NOT NULL',
            [sessionId],
          )
        ).length > 0
      await killedWhen(start('derive', sessionId), async () => {
        const row = await look(sessionId)
        return (
          row?.status === 'ready' || (events === 0 ? claimed() : (row?.progress ?? 0) >= events)
        )
      })
      await look(sessionId)
      start('derive', sessionId)
      const whole = { status: 'ready', events: EVENTS }
      await expect.poll(() => look(sessionId), { timeout: 60_000 }).toMatchObject(whole)
    },
  )

  test('repeatedly: the session fails after five attempts and can be retried', async () => {
    const sessionId = await newSession()
    await fixture.store.uploadContent(ada, sessionId, streamOf(log))
    // As if five processes had taken the job and ended without a word.
    await fixture.rows('UPDATE session_uploads SET attempts = 5 WHERE session_id = $1', [sessionId])
    const worker = fixture.store.startWorker({ pollMs: 10 })
    await expect
      .poll(() => look(sessionId), { timeout: 30_000 })
      .toMatchObject({ status: 'failed' })
    await fixture.store.deriveAgain(ada, sessionId)
    await expect.poll(() => look(sessionId), { timeout: 60_000 }).toMatchObject({ status: 'ready' })
    await worker.stop()
  })
})
