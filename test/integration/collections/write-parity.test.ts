import 'fake-indexeddb/auto'
import { randomUUID } from 'node:crypto'
import {
  createTransaction,
  DeleteKeyNotFoundError,
  DuplicateKeyError,
  SchemaValidationError,
  type Transaction,
  UpdateKeyNotFoundError,
} from '@tanstack/db'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createOutbox,
  type PendingWrite,
  type RowCollection,
  type SessionActions,
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

// Each scenario runs on three roads (actions, native mutations, transactions), each with and without an
// outbox. Every run has its own tenant, and must leave and answer the same.

let app: AppServer
beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

type Answer =
  | Pick<WriteResult, 'mutations'>
  | { readonly code: string; readonly message: string; readonly details: unknown }

/** How a scenario's writes are made. */
type Road = 'action' | 'native mutation' | 'transaction'

type Actions = Omit<
  SessionActions,
  | 'archiveThread'
  | 'shareSession'
  | 'changeRole'
  | 'unshareSession'
  | 'leaveSession'
  | 'transferSession'
  | 'editMessage'
  | 'switchBranch'
>

interface Device {
  readonly db: SessionCollections
  /** Writes on the road of the run. */
  readonly actions: Actions
  /** Another user of the same tenant, without an outbox. */
  readonly bob: SessionCollections
  /** The server applies the next write, and its answer does not arrive. */
  loseAnswer(): void
  /** Resolves with the answer, also if it is an error. */
  answer(write: PendingWrite): Promise<Answer>
}

interface Scenario {
  readonly name: string
  /** Resolves with the answers, to be compared. */
  readonly run: (device: Device) => Promise<Answer[]>
  /** Parts of the answers, to check that the scenario tests what its name promises. */
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
 * Makes all writes without waiting for answers. The result must not depend on which of two unrelated
 * writes is first, as a thread's preview does on an update of its last message.
 */
const atOnce = ({ answer }: Device, writes: readonly (() => PendingWrite)[]) =>
  Promise.all(writes.map((write) => answer(write())))

const scenarios: Scenario[] = [
  {
    name: 'rows are made, changed and deleted',
    run: (device) => {
      const { actions } = device
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
      const { actions } = device
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
          device.actions.write([
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
          device.actions.write([
            { collection: 'chatMessages', type: 'insert', value: message('m1') },
            { collection: 'chatMessages', type: 'delete', id: 'nobody-has-it' },
          ]),
      ]),
    answers: [{ code: 'not_found' }],
  },
  {
    name: 'a message sent twice under one clientMessageId is stored once',
    run: (device) => {
      const { actions } = device
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
      const { actions } = device
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
      const { actions } = device
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
      const { actions } = device
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
        () => device.actions.updateSession('s-bob', { title: 'Mine' }),
        () => device.actions.deleteSession('s-bob'),
        () => device.actions.deleteSession('s-secret'),
        () => device.actions.createThread({ ...thread, id: 't2', sessionId: 's-secret' }),
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
      const { actions } = device
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

/** Returns actions made of native mutations, each direct or in a transaction. */
function nativeActions(db: SessionCollections, road: Road): Actions {
  const sessionOfThread = new Map([['t1', 's1']])

  function apply(mutation: MutationInput): Transaction {
    if (mutation.type === 'append' || mutation.type === 'set') throw new Error('not used')
    const { collection, type } = mutation
    const expectedVersion = type === 'insert' ? undefined : mutation.expectedVersion
    const config = { metadata: { expectedVersion } }
    const own =
      collection === 'sessions'
        ? db.sessions
        : collection === 'timelineEvents'
          ? db.session('s1').timeline
          : collection === 'sessionGrants'
            ? db.session('s1').grants
            : collection === 'chatThreads'
              ? db.session(type === 'insert' ? mutation.value.sessionId : 's1').threads
              : db.session(
                  (type === 'insert' && sessionOfThread.get(mutation.value.threadId)) || 's1',
                ).messages
    const rows = own as unknown as RowCollection<{ id: string }, object>
    if (type === 'delete') return rows.delete(mutation.id, config)
    if (type === 'update') {
      return rows.update(mutation.id, config, (row) => void Object.assign(row, mutation.changes))
    }
    if (collection === 'chatThreads') {
      sessionOfThread.set(mutation.value.id, mutation.value.sessionId)
    }
    return rows.insert(mutation.value)
  }

  function write(mutations: readonly MutationInput[]): PendingWrite {
    const [only, ...more] = mutations
    try {
      if (road === 'native mutation' && only !== undefined && more.length === 0) {
        return toPendingWrite(apply(only))
      }
      const transaction = createTransaction({ mutationFn: db.mutationFn, autoCommit: false })
      try {
        transaction.mutate(() => mutations.forEach(apply))
      } catch (error) {
        transaction.isPersisted.promise.catch(() => undefined)
        transaction.rollback()
        throw error
      }
      transaction.commit().catch(() => undefined)
      return toPendingWrite(transaction)
    } catch (error) {
      return { batchId: '', committed: Promise.reject(error) }
    }
  }

  const one = (id: string, mutation: MutationInput) => ({ id, ...write([mutation]) })
  const change = (collection: 'sessions' | 'chatThreads' | 'chatMessages') => {
    return (id: string, changes: object, guard: object = {}) =>
      one(id, { collection, type: 'update', id, changes, ...guard } as MutationInput)
  }
  const remove = (collection: 'sessions' | 'chatThreads' | 'chatMessages') => (id: string) =>
    one(id, { collection, type: 'delete', id })
  const insert =
    (collection: 'sessions' | 'chatThreads' | 'chatMessages') =>
    ({ sessionId, ...value }: { readonly id?: string; readonly sessionId?: string }) => {
      const known = collection === 'chatThreads' ? { ...value, sessionId } : value
      return one(String(value.id), { collection, type: 'insert', value: known } as MutationInput)
    }
  return {
    write,
    createSession: insert('sessions'),
    updateSession: change('sessions'),
    archiveSession: (id) => change('sessions')(id, { archivedAt: new Date() }),
    deleteSession: remove('sessions'),
    createThread: insert('chatThreads'),
    renameThread: (id, title) => change('chatThreads')(id, { title }),
    activateThread: (id) => change('chatThreads')(id, { status: 'active' }),
    deleteThread: remove('chatThreads'),
    appendMessage: insert('chatMessages'),
    updateMessage: change('chatMessages'),
    deleteMessage: remove('chatMessages'),
  }
}

function toPendingWrite({ isPersisted }: Transaction): PendingWrite {
  return {
    batchId: '',
    committed: isPersisted.promise.then(() => ({ batchId: '', txid: null, mutations: [] })),
  }
}

/** Returns the code that the server would answer to what TanStack DB refuses already. */
function codeOf(error: unknown): string {
  if (error instanceof SchemaValidationError) return 'invalid'
  if (error instanceof DuplicateKeyError) return 'conflict'
  const isMissing =
    error instanceof UpdateKeyNotFoundError || error instanceof DeleteKeyNotFoundError
  if (isMissing) return 'not_found'
  throw error
}

function openDevice(tenant: string, road: Road, hasOutbox: boolean): Device {
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
    actions: road === 'action' ? db.actions : nativeActions(db, road),
    bob: openAs(app, `${tenant}/bob`),
    loseAnswer: () => {
      losesAnswer = true
    },
    answer: ({ committed }) =>
      committed.then(
        ({ mutations }) => ({ mutations }),
        (error: unknown) => {
          if (!(error instanceof SessionDbError)) {
            return { code: codeOf(error), message: '', details: undefined }
          }
          const { code, message, details } = error
          return { code, message, details }
        },
      ),
  }
}

/** Values that depend on the time, the tenant and the window. */
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

/** Runs a scenario in a new tenant, in which Ann has a session with a thread. */
async function outcomeOf({ run }: Scenario, road: Road, hasOutbox: boolean) {
  const tenant = randomUUID()
  const device = openDevice(tenant, road, hasOutbox)
  const { db } = device
  const { threads, messages } = db.session('s1')
  await db.actions.write([
    { collection: 'sessions', type: 'insert', value: session },
    { collection: 'chatThreads', type: 'insert', value: thread },
  ]).committed
  await Promise.all([db.sessions.preload(), threads.preload(), messages.preload()])
  const answers = await run(device)
  const stored = await storedBy(tenant)
  // Another window shows the same rows, so no optimistic ones are left here.
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

/** Reduces answers to what all roads have in common: success, or a code. */
const codes = (answers: readonly Answer[]) =>
  answers.map((answer) => ('code' in answer ? answer.code : 'done'))

describe('with and without an outbox', () => {
  test.each(scenarios)('$name', async (scenario) => {
    const without = await outcomeOf(scenario, 'action', false)
    expect(without.answers).toMatchObject(scenario.answers)
    expect(await outcomeOf(scenario, 'action', true)).toEqual(without)
    for (const road of ['native mutation', 'transaction'] as const) {
      for (const hasOutbox of [false, true]) {
        const { answers, ...rest } = await outcomeOf(scenario, road, hasOutbox)
        const run = `${road}${hasOutbox ? ' with an outbox' : ''}`
        expect(codes(answers), run).toEqual(codes(without.answers))
        expect(rest, run).toEqual({ stored: without.stored, shown: without.shown })
      }
    }
  })
})
