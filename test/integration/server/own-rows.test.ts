import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSessionStore } from '../../../src/server/store/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import { cases, fc } from '../../support/property.ts'
import {
  ada,
  bob,
  insertMessage,
  insertSession,
  insertThread,
  type StoreFixture,
  startStore,
  stranger,
} from './store-fixture.ts'

let fixture: StoreFixture
let threads = 0

beforeAll(async () => {
  fixture = await startStore()
  await fixture.write(ada, insertSession('s', { visibility: 'tenant' }), insertSession('own'))
})
afterAll(() => fixture.close())

async function givenThread(length: number, sessionId = 's'): Promise<string> {
  threads += 1
  const id = `t${threads}`
  await fixture.write(
    ada,
    insertThread(sessionId, id),
    ...Array.from({ length }, (_, n) => insertMessage(id, `${id}-${n + 1}`)),
  )
  return id
}

const state = (id: string, changes: object): MutationInput => ({
  collection: 'threadStates',
  type: 'set',
  id,
  changes,
})
const feedback = (id: string, changes: object): MutationInput => ({
  collection: 'messageFeedback',
  type: 'set',
  id,
  changes,
})

const statesOf = (id: string) =>
  fixture.rows<{ user_id: string; read_position: string; pinned: boolean; version: number }>(
    `SELECT user_id, read_position, pinned_at IS NOT NULL AS pinned, version
     FROM chat_thread_states WHERE thread_id = $1 ORDER BY user_id`,
    [id],
  )

describe('the state of a thread', () => {
  test('belongs to its user, and a pin leaves the position', async () => {
    const id = await givenThread(3)
    await fixture.write(ada, state(id, { readPosition: 2 }), state(id, { pinned: true }))
    await fixture.write(bob, state(id, { readPosition: 3 }))
    expect(await statesOf(id)).toEqual([
      { user_id: 'ada', read_position: '2', pinned: true, version: 2 },
      { user_id: 'bob', read_position: '3', pinned: false, version: 1 },
    ])
  })

  test('is unchanged by a lower position, by the same pin, and by nothing', async () => {
    const id = await givenThread(3)
    await fixture.write(ada, state(id, { readPosition: 3, pinned: true }))
    for (const changes of [{ readPosition: 1 }, { pinned: true }, {}]) {
      const result = await fixture.write(ada, state(id, changes))
      expect(result).toMatchObject({ txid: null, mutations: [{ id, version: 1, unchanged: true }] })
    }
  })

  test('is lowered to the thread’s last message', async () => {
    const id = await givenThread(2)
    await fixture.write(ada, state(id, { readPosition: 99 }))
    expect(await statesOf(id)).toMatchObject([{ read_position: '2' }])
  })

  test('needs a thread that the user sees, and goes with it', async () => {
    const id = await givenThread(1, 'own')
    for (const who of [bob, stranger]) {
      await expect(fixture.write(who, state(id, { pinned: true }))).rejects.toMatchObject({
        code: 'not_found',
        message: 'mutations[0]: There is no such thread, or it is not shared with you.',
      })
    }
    await fixture.write(ada, state(id, { pinned: true }))
    await fixture.write(ada, { collection: 'chatThreads', type: 'delete', id })
    expect(await statesOf(id)).toEqual([])
  })

  test('never goes back, whatever windows and users mark concurrently', async () => {
    const length = 9
    const mark = fc.record({
      who: fc.constantFrom(ada, bob),
      changes: fc.record(
        { readPosition: fc.nat(length + 3), pinned: fc.boolean() },
        { requiredKeys: [] },
      ),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(mark, { maxLength: 5 }), { maxLength: 5 }),
        async (rounds) => {
          const id = await givenThread(length)
          const read = new Map<string, number>()
          for (const marks of rounds) {
            await Promise.all(
              marks.map(({ who, changes }) => fixture.write(who, state(id, changes))),
            )
            for (const { who, changes } of marks) {
              const position = Math.min(length, changes.readPosition ?? 0)
              read.set(who.userId, Math.max(position, read.get(who.userId) ?? 0))
            }
            const stored = await statesOf(id)
            const positions = stored.map((row) => [row.user_id, Number(row.read_position)] as const)
            expect(new Map(positions)).toEqual(new Map([...read].sort()))
          }
        },
      ),
      { numRuns: cases(15, 300) },
    )
  })
})

describe('feedback', () => {
  test('is one per user and message; what is left out stays', async () => {
    const id = await givenThread(1)
    const message = `${id}-1`
    await fixture.write(bob, feedback(message, { rating: 'down', comment: 'Too long' }))
    await fixture.write(bob, feedback(message, { rating: null }))
    await fixture.write(ada, feedback(message, { rating: 'up' }))
    expect(
      await fixture.rows(
        `SELECT user_id, session_id, rating, comment, version FROM chat_message_feedback
         WHERE message_id = $1 ORDER BY user_id`,
        [message],
      ),
    ).toEqual([
      { user_id: 'ada', session_id: 's', rating: 'up', comment: null, version: 1 },
      { user_id: 'bob', session_id: 's', rating: null, comment: 'Too long', version: 2 },
    ])
  })

  test.each([{ rating: 'meh' }, { comment: 'x'.repeat(10_001) }, { stars: 5 }])(
    'refuses %j',
    async (changes) => {
      const write = fixture.write(ada, feedback('m', changes))
      await expect(write).rejects.toMatchObject({ code: 'invalid' })
    },
  )

  test('needs a message that the user sees', async () => {
    const id = await givenThread(1, 'own')
    await expect(fixture.write(bob, feedback(`${id}-1`, { rating: 'up' }))).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('is read by its author and by those who may edit the session', async () => {
    const id = await givenThread(2)
    const [first, second] = [`${id}-1`, `${id}-2`]
    await fixture.write(bob, feedback(first, { rating: 'down', comment: 'Wrong' }))
    await fixture.write(ada, feedback(second, { rating: 'up' }))
    const request = { threadId: id, limit: 1 }
    const page = await fixture.store.readFeedback(ada, request)
    expect(page.feedback).toMatchObject([{ messageId: second, userId: 'ada', rating: 'up' }])
    const cursor = page.nextCursor ?? ''
    const next = await fixture.store.readFeedback(ada, { ...request, cursor })
    expect(next).toMatchObject({
      feedback: [{ messageId: first, userId: 'bob', rating: 'down', comment: 'Wrong' }],
      nextCursor: null,
    })
    const own = await fixture.store.readFeedback(bob, { sessionId: 's', rating: 'down' })
    expect(own.feedback.map(({ messageId }) => messageId)).toContain(first)
    expect(own.feedback.every(({ userId }) => userId === 'bob')).toBe(true)
    expect((await fixture.store.readFeedback(stranger, {})).feedback).toEqual([])
  })
})

describe('suggestTitle', () => {
  const rename = (id: string): MutationInput => ({
    collection: 'chatThreads',
    type: 'update',
    id,
    changes: { title: 'My own' },
  })
  const titleOf = async (id: string) => (await fixture.store.readThread(ada, id))?.thread.title

  test('sets the title until a user has set one', async () => {
    const id = await givenThread(1)
    const suggest = (title: string) => fixture.store.suggestTitle(ada, { threadId: id, title })
    expect(await suggest('First')).toBe(true)
    expect(await suggest('Better')).toBe(true)
    expect(await titleOf(id)).toBe('Better')
    await fixture.write(ada, rename(id))
    expect(await suggest('Too late')).toBe(false)
    expect(await titleOf(id)).toBe('My own')
  })

  test('leaves a title that a user sets meanwhile', async () => {
    const id = await givenThread(1)
    await Promise.all([
      fixture.write(ada, rename(id)),
      fixture.store.suggestTitle(ada, { threadId: id, title: 'Generated' }),
    ])
    expect(await titleOf(id)).toBe('My own')
  })

  test('needs the right to rename the thread', async () => {
    const id = await givenThread(1)
    const hidden = await givenThread(1, 'own')
    const suggest = (threadId: string) =>
      fixture.store.suggestTitle(bob, { threadId, title: 'Mine' })
    await expect(suggest(id)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(suggest(hidden)).rejects.toMatchObject({ code: 'not_found' })
    const empty = fixture.store.suggestTitle(ada, { threadId: id, title: '' })
    await expect(empty).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('the time of a session', () => {
  const ageSession = (id: string) =>
    fixture.rows(
      `WITH quiet AS MATERIALIZED (SELECT set_config('session_db.untouched', 'on', true))
       UPDATE sessions SET updated_at = now() - interval '2 minutes' FROM quiet WHERE id = $1`,
      [id],
    )
  const sessionOf = async (id: string) => {
    const rows = await fixture.rows<{ version: number; seconds: number }>(
      `SELECT version, extract(epoch FROM now() - updated_at)::float8 AS seconds
       FROM sessions WHERE id = $1`,
      [id],
    )
    return rows[0] ?? { version: 0, seconds: 0 }
  }

  test('follows new messages, at most once per minute, and keeps the version', async () => {
    const other = await startStoreOn(fixture)
    const id = await givenThread(1)
    const { version } = await sessionOf('s')
    await ageSession('s')
    await other.write(ada, { id: `${id}-batch`, mutations: [insertMessage(id, `${id}-new`)] })
    expect((await sessionOf('s')).seconds).toBeGreaterThan(100)
    await other.close()
    const after = await sessionOf('s')
    expect(after.seconds).toBeLessThan(60)
    expect(after.version).toBe(version)
  })
})

/** Another store over the same database; closing it writes what it holds. */
async function startStoreOn({ url }: StoreFixture) {
  return createSessionStore({ database: url })
}
