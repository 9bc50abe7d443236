import 'fake-indexeddb/auto'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createOutbox,
  type PendingWrite,
  type SessionCollections,
} from '../../../src/collections/index.ts'
import { SessionDbError } from '../../../src/errors.ts'
import {
  createHttpWriteAdapter,
  type MutationInput,
  type WriteResult,
} from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'
import { type AppServer, startAppServer, USER_HEADER } from './app-server.ts'
import { openAs } from './open-as.ts'

// With an outbox an app does the same things to the same effect: each scenario runs twice, in a tenant
// of its own, and what it left and answered is compared.

let app: AppServer
beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

type Answer =
  | Pick<WriteResult, 'mutations'>
  | { readonly code: string; readonly message: string; readonly details: unknown }

interface Device {
  readonly db: SessionCollections
  /** Somebody else of the same tenant, without an outbox. */
  readonly bob: SessionCollections
  /** The server applies the next write, and its answer does not arrive. */
  loseAnswer(): void
  /** Resolves with the answer; what fails is an answer, too. */
  answer(write: PendingWrite): Promise<Answer>
}

interface Scenario {
  readonly name: string
  /** Resolves with the answers, to be compared. */
  readonly run: (device: Device) => Promise<Answer[]>
  /** What the answers are in part, so that a scenario does what its name says. */
  readonly answers: readonly object[]
}

const done = { mutations: [{}] }
const session = { id: 's1', title: 'S', visibility: 'tenant' } as const
const thread = { id: 't1', sessionId: 's1', mode: 'session', title: 'T' } as const
const message = (id: string, content = id) =>
  ({ id, threadId: 't1', role: 'user', content }) as const

/** One after the other, each answered before the next. */
async function inTurn(device: Device, writes: readonly (() => PendingWrite)[]): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const write of writes) answers.push(await device.answer(write()))
  return answers
}

/**
 * All at once: none waits for an answer. What is compared must not depend on which of two unrelated
 * writes comes first, as the preview of a thread does on an update of its last message.
 */
const atOnce = ({ answer }: Device, writes: readonly (() => PendingWrite)[]) =>
  Promise.all(writes.map((write) => answer(write())))

const scenarios: Scenario[] = [
  {
    name: 'rows are made, changed and deleted',
    run: (device) => {
      const { actions } = device.db
      return inTurn(device, [
        () => actions.appendMessage(message('m1')),
        () => actions.appendMessage(message('m2')),
        () => actions.updateMessage('m1', { content: 'changed' }),
        () => actions.deleteMessage('m2'),
        () => actions.renameThread('t1', 'Renamed'),
        () => actions.createThread({ ...thread, id: 't2' }),
        () => actions.activateThread('t1'),
        () => actions.deleteThread('t2'),
        () => actions.archiveSession('s1'),
        () => actions.createSession({ id: 's2', title: 'Another' }),
        () => actions.deleteSession('s2'),
      ])
    },
    answers: Array.from({ length: 11 }, () => done),
  },
  {
    name: 'many are written at once',
    run: (device) => {
      const { actions } = device.db
      return atOnce(device, [
        ...Array.from({ length: 30 }, (_, n) => () => actions.appendMessage(message(`m${n}`))),
        () => actions.renameThread('t1', 'First'),
        () => actions.renameThread('t1', 'Second'),
        () => actions.appendMessage(message('m30')),
        () => actions.createSession({ id: 's2', title: 'Another' }),
        () => actions.updateSession('s2', { title: 'Changed' }, { expectedVersion: 1 }),
        () => actions.createThread({ ...thread, id: 't2', sessionId: 's2' }),
        () => actions.appendMessage({ ...message('m31'), threadId: 't2', sessionId: 's2' }),
      ])
    },
    answers: Array.from({ length: 37 }, () => done),
  },
  {
    name: 'a batch over several collections is one write',
    run: (device) =>
      inTurn(device, [
        () =>
          device.db.actions.write([
            { collection: 'chatThreads', type: 'insert', value: { ...thread, id: 't2' } },
            {
              collection: 'chatMessages',
              type: 'insert',
              value: { ...message('m1'), threadId: 't2' },
            },
          ]),
      ]),
    answers: [{ mutations: [{ id: 't2' }, { id: 'm1' }] }],
  },
  {
    name: 'a batch of which one change is refused leaves nothing',
    run: (device) =>
      inTurn(device, [
        () =>
          device.db.actions.write([
            { collection: 'chatMessages', type: 'insert', value: message('m1') },
            { collection: 'chatMessages', type: 'delete', id: 'nobody-has-it' },
          ]),
      ]),
    answers: [{ code: 'not_found' }],
  },
  {
    name: 'a message sent twice under one clientMessageId is stored once',
    run: (device) => {
      const { actions } = device.db
      return inTurn(device, [
        () => actions.appendMessage({ ...message('m1'), clientMessageId: 'c1' }),
        () => actions.appendMessage({ ...message('m2'), clientMessageId: 'c1' }),
      ])
    },
    answers: [{ mutations: [{ id: 'm1' }] }, { mutations: [{ id: 'm1' }] }],
  },
  {
    name: 'an event that is as it should be, beside other changes',
    async run(device) {
      const { actions } = device.db
      const event = { id: 'e1', sessionId: 's1', seq: 0, kind: 'other', title: 'As it is' } as const
      await actions.write([{ collection: 'timelineEvents', type: 'insert', value: event }])
        .committed
      await device.db.session('s1').timeline.preload()
      const same: MutationInput = {
        collection: 'timelineEvents',
        type: 'update',
        id: 'e1',
        changes: { title: 'As it is' },
      }
      return atOnce(device, [
        () => actions.renameThread('t1', 'Renamed'),
        () => actions.write([same]),
        () =>
          actions.write([
            same,
            { collection: 'chatMessages', type: 'insert', value: message('m1') },
          ]),
      ])
    },
    answers: [done, { mutations: [{ unchanged: true }] }, { mutations: [{ unchanged: true }, {}] }],
  },
  {
    name: 'what is invalid, missing, in the way or too old is refused, and the rest goes on',
    run: (device) => {
      const { actions } = device.db
      return inTurn(device, [
        () => actions.renameThread('t1', ''),
        () => actions.appendMessage({ ...message('m1'), threadId: 'nobody-has-it' }),
        () => actions.appendMessage(message('m2')),
        () => actions.appendMessage(message('m2', 'again')),
        () => actions.updateMessage('m2', { content: 'new' }, { expectedVersion: 1 }),
        () => actions.updateMessage('m2', { content: 'late' }, { expectedVersion: 1 }),
        () => actions.appendMessage(message('m3', 'x'.repeat(1024 * 1024 + 1))),
      ])
    },
    answers: [
      { code: 'invalid' },
      { code: 'not_found' },
      done,
      { code: 'conflict' },
      done,
      { code: 'conflict', details: { currentVersion: 2 } },
      { code: 'too_large' },
    ],
  },
  {
    name: 'what is refused among many at once does not take along the others',
    run: (device) => {
      const { actions } = device.db
      return atOnce(device, [
        () => actions.appendMessage(message('m1')),
        () => actions.deleteMessage('nobody-has-it'),
        () => actions.appendMessage(message('m2')),
        () => actions.appendMessage({ ...message('m3'), threadId: 'nobody-has-it' }),
        () => actions.renameThread('t1', 'Renamed'),
        () => actions.updateSession('s1', { title: 'Not this' }, { expectedVersion: 7 }),
        () => actions.appendMessage(message('m4')),
      ])
    },
    answers: [
      done,
      { code: 'not_found' },
      done,
      { code: 'not_found' },
      done,
      { code: 'conflict', details: { currentVersion: 1 } },
      done,
    ],
  },
  {
    name: 'what belongs to somebody else is refused',
    async run(device) {
      const { actions } = device.bob
      const shared = { id: 's-bob', title: 'Of Bob', visibility: 'tenant' } as const
      await actions.createSession(shared).committed
      await actions.createSession({ id: 's-secret', title: 'Of Bob alone' }).committed
      await eventually(() => expect(device.db.sessions.has('s-bob')).toBe(true))
      return inTurn(device, [
        () => device.db.actions.updateSession('s-bob', { title: 'Mine' }),
        () => device.db.actions.deleteSession('s-bob'),
        () => device.db.actions.deleteSession('s-secret'),
        () => device.db.actions.createThread({ ...thread, id: 't2', sessionId: 's-secret' }),
      ])
    },
    answers: [
      { code: 'forbidden' },
      { code: 'forbidden' },
      { code: 'not_found' },
      { code: 'not_found' },
    ],
  },
  {
    name: 'a write whose answer is lost on its way is made once',
    run(device) {
      const { actions } = device.db
      return inTurn(device, [
        () => {
          device.loseAnswer()
          return actions.appendMessage(message('m1'))
        },
        () => {
          device.loseAnswer()
          return actions.updateMessage('m1', { content: 'changed' }, { expectedVersion: 1 })
        },
      ])
    },
    answers: [done, { mutations: [{ version: 2 }] }],
  },
]

function openDevice(tenant: string, hasOutbox: boolean): Device {
  const user = `${tenant}/ann`
  const identity = { tenantId: tenant, userId: 'ann' }
  const send = createHttpWriteAdapter({
    url: `${app.url}/api/write`,
    headers: { [USER_HEADER]: user },
  })
  let losesAnswer = false
  const db = openAs(app, user, {
    ...(hasOutbox && { outbox: createOutbox({ identity, name: randomUUID() }) }),
    async writeAdapter(batch) {
      const outcome = await send(batch)
      if (!losesAnswer) return outcome
      losesAnswer = false
      throw new TypeError('Failed to fetch')
    },
  })
  return {
    db,
    bob: openAs(app, `${tenant}/bob`),
    loseAnswer: () => {
      losesAnswer = true
    },
    answer: ({ committed }) =>
      committed.then(
        ({ mutations }) => ({ mutations }),
        (error: unknown) => {
          if (!(error instanceof SessionDbError)) throw error
          const { code, message, details } = error
          return { code, message, details }
        },
      ),
  }
}

/** What depends on when, in which tenant and from which window it was written. */
const VARYING =
  /^(?:tenant_?id|(?:created|updated|archived)_?at|last_?message_?at|\$collectionId|\$origin)$/i

function comparable(row: object): object {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !VARYING.test(name)))
}

const byId = (rows: readonly object[]) =>
  rows.map(comparable).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
const idOf = (row: object) => String(Reflect.get(row, 'id'))

async function storedBy(tenant: string): Promise<object> {
  const tables = ['sessions', 'chat_threads', 'chat_messages'].map(async (table) => {
    const rows = await app.sql(`SELECT * FROM ${table} WHERE tenant_id = $1`, [
      app.principal(`${tenant}/ann`).tenantId,
    ])
    return [table, byId(rows as object[])] as const
  })
  return Object.fromEntries(await Promise.all(tables))
}

function shownBy(db: SessionCollections): object {
  const { threads, messages } = db.session('s1')
  return {
    sessions: byId(db.sessions.toArray),
    threads: byId(threads.toArray),
    messages: byId(messages.toArray),
  }
}

/** Runs a scenario in a tenant of its own, in which Ann has a session with a thread. */
async function outcomeOf({ run }: Scenario, hasOutbox: boolean) {
  const tenant = randomUUID()
  const device = openDevice(tenant, hasOutbox)
  const { db } = device
  const { threads, messages } = db.session('s1')
  await db.actions.write([
    { collection: 'sessions', type: 'insert', value: session },
    { collection: 'chatThreads', type: 'insert', value: thread },
  ]).committed
  await Promise.all([db.sessions.preload(), threads.preload(), messages.preload()])
  const answers = await run(device)
  const stored = await storedBy(tenant)
  // What another window sees is what this one shows: nothing optimistic is left.
  const window = openAs(app, `${tenant}/ann`)
  const opened = window.session('s1')
  await Promise.all([
    window.sessions.preload(),
    opened.threads.preload(),
    opened.messages.preload(),
  ])
  await eventually(() => expect(shownBy(db)).toEqual(shownBy(window)))
  return { answers, stored, shown: shownBy(db) }
}

describe('with and without an outbox', () => {
  test.each(scenarios)('$name', async (scenario) => {
    const without = await outcomeOf(scenario, false)
    expect(without.answers).toMatchObject(scenario.answers)
    expect(await outcomeOf(scenario, true)).toEqual(without)
  })
})
