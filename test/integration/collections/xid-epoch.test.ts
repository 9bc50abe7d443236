import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createHttpWriteAdapter } from '../../../src/writes/index.ts'
import {
  type DebianPostgres,
  hasDebianPostgres,
  startDebianPostgres,
  startDebianServer,
} from '../../support/debian-postgres.ts'
import { eventually } from '../../support/eventually.ts'
import { record } from '../../support/record-changes.ts'
import { type AppServer, startAppServer, USER_HEADER } from './app-server.ts'
import { openAs } from './open-as.ts'

const USER = 'acme/ada'

/** A stream whose answers, also those that have begun, stand still while it is held. */
function holdableFetch() {
  let release = () => {}
  let passed = Promise.resolve()
  const fetchClient: typeof fetch = async (...args) => {
    const response = await fetch(...args)
    const held = new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        await passed
        controller.enqueue(chunk)
      },
    })
    await passed
    return new Response(response.body?.pipeThrough(held) ?? null, response)
  }
  return {
    fetchClient,
    hold() {
      passed = new Promise((resolve) => {
        release = resolve
      })
    },
    release: () => release(),
  }
}

// Logical replication carries 32 bits of a transaction id, a snapshot 64: after the first 4 billion
// transactions of a database the two differ.
describe.skipIf(!hasDebianPostgres)('a database past its first 4 billion transactions', () => {
  let postgres: DebianPostgres
  let server: Awaited<ReturnType<typeof startDebianServer>>
  let app: AppServer

  beforeAll(async () => {
    postgres = await startDebianPostgres()
    const { dataDir, program } = postgres
    await program('pg_ctl', ['stop', '-D', dataDir, '-m', 'fast'])
    await program('pg_resetwal', ['-e', '1', dataDir])
    server = await startDebianServer(dataDir)
    app = await startAppServer(server.url)
  })
  afterAll(async () => {
    await app.close()
    await server.stop()
    await postgres.stop()
  })

  test('confirms a write only when the stream has it, without a flicker', async () => {
    const [xid] = await app.sql('SELECT pg_current_xact_id()::text::bigint > 2 ^ 32 AS beyond')
    expect(xid).toEqual({ beyond: true })

    const stream = holdableFetch()
    const answered = vi.fn()
    const send = createHttpWriteAdapter({
      url: `${app.url}/api/write`,
      headers: { [USER_HEADER]: USER },
    })
    const db = openAs(app, USER, {
      fetchClient: stream.fetchClient,
      writeAdapter: async (batch) => {
        const outcome = await send(batch)
        answered(outcome)
        return outcome
      },
    })
    await db.actions.createSession({ id: 's', title: 'S' }).committed
    await db.actions.createThread({ id: 't', sessionId: 's', mode: 'session', title: 'T' })
      .committed
    await db.actions.appendMessage({ threadId: 't', role: 'user', content: 'zero' }).committed
    const { messages } = db.thread({ id: 't', sessionId: 's' })
    const { threads } = db.session('s')
    await Promise.all([messages.preload(), threads.preload()])
    const events = record(messages, ({ content, version }) => `${content} ${version}`)
    const threadEvents = record(threads, ({ messageCount }) => messageCount)

    for (const [index, content] of ['one', 'two'].entries()) {
      events.length = 0
      threadEvents.length = 0
      answered.mockClear()
      stream.hold()
      const write = db.actions.appendMessage({ threadId: 't', role: 'user', content })
      const settled = vi.fn()
      void write.committed.then(settled, settled)
      await eventually(() => expect(answered).toHaveBeenCalled())
      for (let turn = 0; turn < 10; turn += 1) await setImmediate()
      expect(settled).not.toHaveBeenCalled()
      expect(messages.get(write.id)?.$synced).toBe(false)
      expect(events).toEqual([`insert ${write.id} ${content} 1`])

      stream.release()
      expect((await write.committed).txid).toBeLessThan(2 ** 32)
      await eventually(() => expect(messages.get(write.id)?.$synced).toBe(true))
      expect(new Set(events)).toEqual(
        new Set([`insert ${write.id} ${content} 1`, `update ${write.id} ${content} 1`]),
      )
      expect(new Set(threadEvents)).toEqual(new Set([`update t ${index + 2}`]))
    }
  })
})
