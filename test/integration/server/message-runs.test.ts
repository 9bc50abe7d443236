import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createSessionStore } from '../../../src/server/store/index.ts'
import { createAccess } from '../../../src/shapes/index.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import { fc } from '../../support/property.ts'
import {
  ada,
  insertMessage,
  insertSession,
  insertThread,
  refusalOf,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'
import { createTestPool } from './test-pool.ts'
import { startWireTap } from './wire-tap.ts'

let fixture: StoreFixture
let threads = 0

beforeAll(async () => {
  fixture = await startStore()
  await fixture.write(ada, insertSession('s'))
})
afterAll(() => fixture.close())

/** Creates an archived thread: an active one would be archived by the next, which changes its version. */
async function givenThread(): Promise<string> {
  threads += 1
  const id = `t${threads}`
  await fixture.write(ada, insertThread('s', id, { status: 'archived' }))
  return id
}

const changed = (id: string): MutationInput => ({
  collection: 'chatThreads',
  type: 'update',
  id,
  changes: { title: 'Changed' },
})

async function messagesOf(threadId: string) {
  return fixture.rows(
    `SELECT id, session_id, author_id, role, content, parts, parent_id, client_message_id, status,
       position, metadata, version, created_at = updated_at AS is_new
     FROM chat_messages WHERE thread_id = $1 ORDER BY position`,
    [threadId],
  )
}

async function threadRow(id: string) {
  const [row] = await fixture.rows(
    `SELECT message_count, last_position::int, last_message_preview, version,
       last_message_at IS NOT NULL AS has_time, updated_at > created_at AS is_updated
     FROM chat_threads WHERE id = $1`,
    [id],
  )
  return row
}

const text = fc.oneof(fc.constantFrom('', '👋'.repeat(300), '"\\\n\t', "'; --"), fc.string())
const storable = text.map((value) => value.replaceAll('\u0000', ''))
const messages = fc.array(
  fc.record(
    {
      role: fc.constantFrom('user', 'assistant', 'tool', 'system'),
      content: storable,
      parts: fc.array(fc.record({ type: fc.constant('text'), text: storable, n: fc.integer() })),
      parent: fc.option(fc.nat(11), { nil: null }),
      clientMessageId: fc.constantFrom('c1', 'c2', null),
      status: fc.constantFrom('complete', 'error'),
      metadata: fc.record({ tag: storable, nothing: fc.constant(null) }),
    },
    { requiredKeys: ['role', 'content'] },
  ),
  { minLength: 1, maxLength: 12 },
)

describe('consecutive new messages in a batch', () => {
  test('are stored, numbered and counted like separate batches', async () => {
    await fc.assert(
      fc.asyncProperty(messages, async (given) => {
        const [together, apart] = [await givenThread(), await givenThread()]
        const inserts = (threadId: string) =>
          given.map(({ parent, ...more }, n) => {
            // Others may be stored already, under another id.
            const stored = given.slice(0, n).flatMap((message, at) => {
              return message.clientMessageId == null ? [`${threadId}-${at}`] : []
            })
            const parentId =
              parent === null ? null : (stored[(parent ?? 0) % stored.length] ?? null)
            const follows = parent === undefined ? {} : { parentId }
            return insertMessage(threadId, `${threadId}-${n}`, { ...more, ...follows })
          })
        const withoutPrefix = (prefix: string, rows: object[]) =>
          JSON.parse(JSON.stringify(rows).replaceAll(`"${prefix}-`, '"'))
        const { mutations } = await fixture.write(ada, ...inserts(together))
        const answers: object[] = []
        for (const insert of inserts(apart)) {
          answers.push(...(await fixture.write(ada, insert)).mutations)
        }
        expect(withoutPrefix(together, [...mutations])).toEqual(withoutPrefix(apart, answers))
        expect(withoutPrefix(together, await messagesOf(together))).toEqual(
          withoutPrefix(apart, await messagesOf(apart)),
        )
        expect(await threadRow(together)).toEqual(await threadRow(apart))
      }),
      { numRuns: 40 },
    )
  })

  test('raise the version of their thread, also after other changes to it in the batch', async () => {
    const id = await givenThread()
    await fixture.write(
      ada,
      changed(id),
      insertMessage(id, `${id}-1`),
      insertMessage(id, `${id}-2`),
      changed(id),
      insertMessage(id, `${id}-3`),
      insertMessage(id, `${id}-4`),
    )
    expect(await threadRow(id)).toMatchObject({ message_count: 4, last_position: 4, version: 7 })
  })

  test('take one statement per thread', async () => {
    const tap = await startWireTap(fixture.url)
    const pool = createTestPool(tap.url)
    const plain = createSessionStore({ database: pool })
    onTestFinished(async () => {
      await plain.close()
      await pool.end()
      await tap.close()
    })
    const [one, other] = [await givenThread(), await givenThread()]
    await plain.write(ada, { id: 'first-on-the-connection', mutations: [changed(one)] })
    tap.reset()
    const mutations = [one, other].flatMap((id) =>
      Array.from({ length: 10 }, (_, n) => insertMessage(id, `${id}-${n}`)),
    )
    await plain.write(ada, { id: 'two-runs', mutations })
    // BEGIN, claim, two runs, result, COMMIT.
    expect(tap.requests()).toBe(6)
  })

  test('in a missing thread are refused at the first one and store nothing', async () => {
    const id = await givenThread()
    const refusal = await refusalOf(
      fixture.write(
        ada,
        insertMessage(id, `${id}-1`),
        insertMessage(id, `${id}-2`),
        insertMessage('no-thread', `${id}-3`),
        insertMessage('no-thread', `${id}-4`),
      ),
    )
    expect(refusal).toMatchObject({ code: 'not_found', details: { mutation: 2 } })
    expect(await messagesOf(id)).toEqual([])
    expect(await threadRow(id)).toMatchObject({ message_count: 0, version: 1 })
  })

  test('with a repeated id are a conflict', async () => {
    const id = await givenThread()
    const same = [insertMessage(id, `${id}-1`), insertMessage(id, `${id}-1`)]
    expect(await refusalOf(fixture.write(ada, ...same))).toMatchObject({ code: 'conflict' })
    expect(await messagesOf(id)).toEqual([])
  })

  test('are each checked by the policy', async () => {
    const store = createSessionStore({
      database: fixture.pool,
      access: createAccess({
        writes: { chatMessages: { insert: (_user, { role }) => sql`${role}::text <> 'system'` } },
      }),
    })
    const id = await givenThread()
    const mutations = ['user', 'user', 'system', 'system', 'user'].map((role, n) =>
      insertMessage(id, `${id}-${n}`, { role }),
    )
    expect(await refusalOf(store.write(ada, { id: `${id}-b`, mutations }))).toMatchObject({
      code: 'forbidden',
      details: { mutation: 2 },
    })
    expect(await messagesOf(id)).toEqual([])
    const allowed = mutations.toSpliced(2, 2)
    await store.write(ada, { id: `${id}-c`, mutations: allowed })
    expect(await messagesOf(id)).toHaveLength(3)
  })
})

test('an app’s own UPDATE raises a version by one, whatever it sets', async () => {
  const id = await givenThread()
  await fixture.rows('UPDATE chat_threads SET version = 70 WHERE id = $1', [id])
  expect(await threadRow(id)).toMatchObject({ version: 2 })
})
