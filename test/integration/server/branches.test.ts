import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { siblingsOf, threadPath } from '../../../src/chat/thread-path.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import { cases, fc } from '../../support/property.ts'
import {
  ada,
  bob,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'

let fixture: StoreFixture
let threads = 0

beforeAll(async () => {
  fixture = await startStore()
  await fixture.write(ada, insertSession('s', { visibility: 'tenant' }))
})
afterAll(() => fixture.close())

async function givenThread(...messages: MutationInput[]): Promise<string> {
  threads += 1
  const id = `t${threads}`
  await fixture.write(ada, insertThread('s', id, { status: 'archived' }))
  if (messages.length > 0) await fixture.write(ada, ...messages)
  return id
}

interface Message {
  readonly id: string
  readonly parentId: string | null
  readonly position: number
}

async function treeOf(threadId: string) {
  const messages = await fixture.rows<Message>(
    `SELECT id, parent_id AS "parentId", position::int FROM chat_messages
     WHERE thread_id = $1 ORDER BY position`,
    [threadId],
  )
  const [thread] = await fixture.rows<{ head_id: string | null }>(
    'SELECT head_id FROM chat_threads WHERE id = $1',
    [threadId],
  )
  return { messages, headId: thread?.head_id ?? null }
}

async function pathOf(threadId: string): Promise<string[]> {
  const { messages, headId } = await treeOf(threadId)
  return threadPath(messages, headId).map(({ id }) => id)
}

const setHead = (id: string, headId: string | null): MutationInput => ({
  collection: 'chatThreads',
  type: 'update',
  id,
  changes: { headId },
})
const remove = (id: string): MutationInput => ({ collection: 'chatMessages', type: 'delete', id })

describe('a new message', () => {
  test('follows the head of its thread, and becomes the head', async () => {
    const id = await givenThread()
    await fixture.write(ada, insertMessage(id, `${id}-a`))
    await fixture.write(bob, insertMessage(id, `${id}-b`), insertMessage(id, `${id}-c`))
    expect(await pathOf(id)).toEqual([`${id}-a`, `${id}-b`, `${id}-c`])
  })

  test('with a parent becomes an alternative to the messages that follow it', async () => {
    const id = await givenThread()
    await fixture.write(ada, ...['a', 'b', 'c'].map((name) => insertMessage(id, `${id}-${name}`)))
    await fixture.write(bob, insertMessage(id, `${id}-edit`, { parentId: `${id}-a` }))
    await fixture.write(ada, insertMessage(id, `${id}-answer`))
    expect(await pathOf(id)).toEqual([`${id}-a`, `${id}-edit`, `${id}-answer`])
    const { messages } = await treeOf(id)
    const [, b] = messages
    expect(siblingsOf(messages, b as Message).all.map((message) => message.id)).toEqual([
      `${id}-b`,
      `${id}-edit`,
    ])
    await fixture.write(ada, insertMessage(id, `${id}-first`, { parentId: null }))
    expect(await pathOf(id)).toEqual([`${id}-first`])
    expect((await treeOf(id)).messages).toHaveLength(6)
  })

  test('is refused when its parent is in no thread, another one, or deleted', async () => {
    const other = await givenThread()
    await fixture.write(ada, insertMessage(other, `${other}-a`))
    const id = await givenThread()
    await fixture.write(ada, insertMessage(id, `${id}-a`))
    await fixture.write(ada, insertMessage(id, `${id}-b`))
    await fixture.write(ada, remove(`${id}-b`))
    const inserts = ['nothing', `${other}-a`, `${id}-b`].map((parentId) =>
      insertMessage(id, `${id}-new`, { parentId }),
    )
    for (const insert of inserts) {
      const alone = await refusalOf(fixture.write(ada, insert))
      expect(alone).toMatchObject({ code: 'not_found', details: { property: 'parentId' } })
      const later = await refusalOf(fixture.write(ada, insertMessage(id, `${id}-x`), insert))
      expect(later).toMatchObject({ code: 'not_found', details: { mutation: 1 } })
    }
    expect(await pathOf(id)).toEqual([`${id}-a`])
  })

  test('that SQL of the app inserts follows the message before it', async () => {
    const id = await givenThread()
    await fixture.rows(
      `INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)
       SELECT 'acme', $1 || '-' || n, $1, 's', 'ada', 'user', 'x', n FROM generate_series(1, 3) n`,
      [id],
    )
    expect(await pathOf(id)).toEqual([`${id}-1`, `${id}-2`, `${id}-3`])
    const dangling = fixture.rows(
      `INSERT INTO chat_messages
         (tenant_id, id, thread_id, session_id, author_id, role, content, position, parent_id)
       VALUES ('acme', 'd', $1, 's', 'ada', 'user', 'x', 9, 'nothing')`,
      [id],
    )
    await expect(dangling).rejects.toThrow(/parent_id/)
  })
})

describe('the head of a thread', () => {
  test('moves to another branch, and to no message of another thread', async () => {
    const other = await givenThread()
    await fixture.write(ada, insertMessage(other, `${other}-a`))
    const id = await givenThread()
    await fixture.write(ada, ...['a', 'b'].map((name) => insertMessage(id, `${id}-${name}`)))
    await fixture.write(ada, insertMessage(id, `${id}-edit`, { parentId: `${id}-a` }))
    await fixture.write(ada, setHead(id, `${id}-b`))
    expect(await pathOf(id)).toEqual([`${id}-a`, `${id}-b`])
    const refused = await refusalOf(fixture.write(ada, setHead(id, `${other}-a`)))
    expect(refused).toMatchObject({ code: 'not_found', details: { property: 'headId' } })
    await fixture.write(ada, setHead(id, null))
    await fixture.write(ada, insertMessage(id, `${id}-new`))
    expect(await pathOf(id)).toEqual([`${id}-new`])
  })
})

describe('after messages were deleted, those that followed them', () => {
  test('follow the message before', async () => {
    const id = await givenThread()
    const names = ['a', 'b', 'c', 'd']
    await fixture.write(ada, ...names.map((name) => insertMessage(id, `${id}-${name}`)))
    await fixture.write(ada, insertMessage(id, `${id}-e`, { parentId: `${id}-b` }))
    await fixture.write(ada, remove(`${id}-b`), remove(`${id}-c`))
    expect((await treeOf(id)).messages.map(({ parentId }) => parentId)).toEqual([
      null,
      `${id}-a`,
      `${id}-a`,
    ])
    await fixture.write(ada, remove(`${id}-e`))
    expect(await pathOf(id)).toEqual([`${id}-a`])
    await fixture.write(ada, remove(`${id}-a`))
    expect(await pathOf(id)).toEqual([`${id}-d`])
    await fixture.write(ada, remove(`${id}-d`))
    expect((await treeOf(id)).headId).toBeNull()
  })

  test('do so, too, when SQL of the app deletes many at once', async () => {
    const id = await givenThread()
    await fixture.write(
      ada,
      ...Array.from({ length: 300 }, (_, n) => insertMessage(id, `${id}-${n}`)),
    )
    await fixture.rows(
      'DELETE FROM chat_messages WHERE thread_id = $1 AND position BETWEEN 2 AND 299',
      [id],
    )
    expect(await pathOf(id)).toEqual([`${id}-0`, `${id}-299`])
  })
})

const step = fc.record({
  kind: fc.constantFrom('append', 'edit', 'edit', 'delete', 'switch'),
  /** Which of the messages seen so far. */
  which: fc.nat(30),
})

describe('writes of several people', () => {
  test('lose no message and no branch', async () => {
    let runs = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 3 }),
        async (people) => {
          runs += 1
          const id = await givenThread()
          const known = [`${id}-0`]
          const deleted = new Set<string>()
          await fixture.write(ada, insertMessage(id, `${id}-0`))
          await Promise.all(
            people.map(async (steps, person) => {
              for (const [n, { kind, which }] of steps.entries()) {
                const other = known[which % known.length] as string
                const name = `${id}-${person}-${n}`
                const mutation = {
                  append: () => insertMessage(id, name),
                  edit: () => insertMessage(id, name, { parentId: other }),
                  delete: () => remove(other),
                  switch: () => setHead(id, other),
                }[kind]()
                try {
                  await fixture.write(person === 0 ? ada : bob, mutation)
                  if (mutation.type === 'insert') known.push(name)
                  if (mutation.type === 'delete') deleted.add(other)
                } catch (error) {
                  // Another person deleted it, or it is not theirs.
                  expect((error as { code: string }).code).toMatch(/not_found|forbidden/)
                }
              }
            }),
          )
          const { messages, headId } = await treeOf(id)
          expect(messages.map((message) => message.id).sort()).toEqual(
            known.filter((name) => !deleted.has(name)).sort(),
          )
          for (const message of messages) {
            const path = threadPath(messages, message.id)
            // Each message is reached from a first one: no parent is missing.
            expect(path[0]?.parentId).toBeNull()
            expect(path.at(-1)).toBe(message)
          }
          if (messages.length > 0) expect(messages.map((message) => message.id)).toContain(headId)
        },
      ),
      { numRuns: cases(25, 400) },
    )
    expect(runs).toBeGreaterThan(0)
  })
})
