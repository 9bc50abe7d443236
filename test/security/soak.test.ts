import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSessionStore, ingestSessionLog } from '../../src/server/index.ts'
import {
  insertMessage,
  insertSession,
  insertThread,
  type StoreFixture,
  startStore,
} from '../integration/server/store-fixture.ts'
import { codexLog } from '../integration/upload/log-file.ts'
import { type Program, runProgram } from '../support/program.ts'
import { isDeep } from '../support/property.ts'

const ann = { tenantId: 'acme', userId: 'ann' }
const program = (name: string) => join(import.meta.dirname, `support/soak-${name}.program.ts`)
const SOAK_MS = Number(process.env.SOAK_MS ?? 60_000)
const QUIET_MS = SOAK_MS / 2
const ROUNDS = 6

let fixture: StoreFixture
let engine: Program
let server: Program
let url: string

beforeAll(async () => {
  if (!isDeep) return
  fixture = await startStore()
  await fixture.write(
    ann,
    insertSession('s', { visibility: 'tenant' }),
    insertThread('s', 'thread'),
  )
  await fixture.write(ann, insertSession('private'))
  await fixture.write(
    ann,
    ...Array.from({ length: 50 }, (_, n) => insertMessage('thread', `m${n}`)),
  )
  const log = codexLog(5_000)
  await ingestSessionLog(fixture.pool, ann, {
    id: 'log',
    originalName: 'log.jsonl',
    visibility: 'tenant',
    stream: (async function* () {
      yield log
    })(),
  })
  engine = runProgram(program('shapes'), [fixture.url])
  server = runProgram(program('server'), [fixture.url, await engine.firstLine])
  url = await server.firstLine
})
afterAll(async () => {
  if (!isDeep) return
  for (const each of [server, engine]) {
    each.kill('SIGKILL')
    await each.ended
  }
  await fixture.close()
})

const headers = { 'x-user': 'ann', 'content-type': 'application/json' }

/** Follows the thread as a browser does. Resolves the waiting ids as they arrive. */
async function follow(arrived: Map<string, () => void>, signal: AbortSignal): Promise<void> {
  let query = 'offset=-1'
  while (!signal.aborted) {
    const response = await fetch(
      `${url}/api/shapes/thread-messages?sessionId=s&threadId=thread&${query}`,
      { headers, signal },
    )
    expect(response.status).toBe(200)
    const body = await response.text()
    for (const [id, resolve] of arrived) if (body.includes(id)) resolve()
    const header = (name: string) => response.headers.get(`electric-${name}`)
    query = `offset=${header('offset')}&handle=${header('handle')}`
    if (header('up-to-date') !== null) query += `&live=true&cursor=${header('cursor') ?? ''}`
  }
}

interface Times {
  readonly write: number[]
  readonly read: number[]
  readonly update: number[]
}
const noTimes = (): Times => ({ write: [], read: [], update: [] })

/** Writes, reads and waits for live updates for a time, and adds how long each took, in ms. */
async function measure(durationMs: number, times: Times): Promise<void> {
  const arrived = new Map<string, () => void>()
  const stop = new AbortController()
  const following = follow(arrived, stop.signal).catch((error) => {
    if (!stop.signal.aborted) throw error
  })
  const until = performance.now() + durationMs
  while (performance.now() < until) {
    const id = randomUUID()
    const begun = performance.now()
    const update = new Promise<void>((resolve) => arrived.set(id, resolve)).then(() =>
      times.update.push(performance.now() - begun),
    )
    const response = await fetch(`${url}/api/write`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ id, mutations: [insertMessage('thread', id)] }),
    })
    expect(response.status).toBe(200)
    await response.text()
    times.write.push(performance.now() - begun)
    await Promise.race([update, following])
    arrived.delete(id)
    const asked = performance.now()
    const read = await fetch(`${url}/api/shapes/session-threads?sessionId=s&offset=-1`, { headers })
    expect(read.status).toBe(200)
    await read.text()
    times.read.push(performance.now() - asked)
    await pause(50)
  }
  stop.abort()
  await following
}

function quantile(times: number[], share: number): number {
  const sorted = times.toSorted((one, other) => one - other)
  return Math.round(sorted[Math.floor(sorted.length * share)] ?? Number.NaN)
}

/** Waits until no upload of the attacker waits for its timeline. */
async function untilDerived(): Promise<void> {
  const waiting = "SELECT FROM session_uploads WHERE state = 'queued'"
  while ((await fixture.rows(waiting)).length > 0) await pause(200)
}

const KINDS = ['write', 'read', 'update'] as const
const summaryOf = (times: Times) =>
  Object.fromEntries(
    KINDS.map((kind) => [kind, [0.5, 0.95, 1].map((share) => quantile(times[kind], share - 1e-9))]),
  )

test.runIf(isDeep)(
  'a hostile user does not slow another’s writes, reads and live updates to a third',
  async () => {
    const hostile = fork(program('hostile'), [url, process.env.SOAK_ATTACKS ?? ''])
    const [quiet, during] = [noTimes(), noTimes()]
    let [answers] = await once(hostile, 'message')
    await measure(2_000, noTimes())
    // Quiet and hostile rounds take turns, so that other work of the machine is in both.
    for (let round = 0; round < ROUNDS; round++) {
      await untilDerived()
      await measure(QUIET_MS / ROUNDS, quiet)
      hostile.send('attack')
      await measure(SOAK_MS / ROUNDS, during)
      hostile.send('pause')
      ;[answers] = await once(hostile, 'message')
    }
    hostile.disconnect()
    console.log('[p50, p95, max] in ms', {
      quiet: summaryOf(quiet),
      during: summaryOf(during),
      answers,
    })
    for (const kind of KINDS) {
      expect(quantile(during[kind], 0.95), kind).toBeLessThan(3 * quantile(quiet[kind], 0.95))
    }
    // The attacks were served and limited, and did not fail for another reason.
    expect(answers.batches['429']).toBeGreaterThan(0)
    expect(answers.polls['429']).toBeGreaterThan(0)
    expect(answers['server columns']['200']).toBeUndefined()
    // All is as it was: the private session is the owner's.
    const store = createSessionStore({ database: fixture.url })
    expect((await store.uploadState(ann, 'private')).sessionId).toBe('private')
    await store.close()
  },
)
