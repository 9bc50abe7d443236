import { createTransaction, type Transaction } from '@tanstack/db'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RowCollection } from '../../../src/collections/index.ts'
import { SessionDbError } from '../../../src/errors.ts'
import { createMemoryWriteAdapter } from '../../../src/testing/index.ts'
import type { WriteAdapter } from '../../../src/writes/index.ts'
import { cases } from '../../support/property.ts'
import { ann, openMock } from './support/open-mock.ts'

const step = fc.record({
  kind: fc.constantFrom('insert', 'update', 'delete'),
  table: fc.constantFrom('sessions', 'threads', 'sessionMessages', 'threadMessages'),
  pick: fc.nat({ max: 20 }),
  text: fc.string({ minLength: 1, maxLength: 8 }).filter((text) => text.trim() !== ''),
})

/** Mutations made in one turn: each direct, or all in one transaction. */
const turn = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 4 }),
  isTransaction: fc.boolean(),
  waits: fc.boolean(),
})

test('random native mutations with refusals end as the server has stored them', async () => {
  const property = fc.asyncProperty(
    fc.array(turn, { minLength: 1, maxLength: 8 }),
    fc.infiniteStream(fc.integer({ min: 0, max: 4 })),
    async (turns, luck) => {
      const { mock, open } = openMock({
        tables: {
          sessions: [{ id: 's1', title: 'S' }],
          chatThreads: [{ id: 't1', sessionId: 's1' }],
          chatMessages: [{ id: 'm0', threadId: 't1', content: 'first' }],
        },
      })
      const write = createMemoryWriteAdapter(mock, { principal: ann })
      // The oracle applies what is accepted; a fifth of the batches is refused before it.
      const writeAdapter: WriteAdapter = async (batch) =>
        luck.next().value === 0
          ? { error: { code: 'forbidden', message: 'refused' } }
          : write(batch)
      const db = open({ writeAdapter, writeRetries: false })
      const { threads, messages: sessionMessages } = db.session('s1')
      const { messages: threadMessages } = db.thread({ id: 't1', sessionId: 's1' })
      const tables = { sessions: db.sessions, threads, sessionMessages, threadMessages }
      await Promise.all(Object.values(tables).map((table) => table.preload()))

      let made = 0
      const apply = ({ kind, table, pick, text }: (typeof turns)[number]['steps'][number]) => {
        const rows = tables[table].toArray as { readonly id: string }[]
        const { id } = rows[pick % Math.max(1, rows.length)] ?? { id: undefined }
        made += 1
        if (kind === 'insert' || id === undefined) {
          if (table === 'sessions') return db.sessions.insert({ id: `s-${made}`, title: text })
          if (table === 'threads') {
            return threads.insert({ id: `t-${made}`, mode: 'session', title: text })
          }
          const message = { id: `m-${made}`, role: 'user' as const, content: text }
          if (table === 'threadMessages') return threadMessages.insert(message)
          return sessionMessages.insert({ ...message, threadId: 't1' })
        }
        // The session and thread in use stay, or nothing is left to write to.
        const isKept = id === 's1' || id === 't1'
        const own = tables[table] as unknown as RowCollection<{ readonly id: string }>
        if (kind === 'delete' && !isKept) return own.delete(id)
        const column = table === 'sessions' || table === 'threads' ? 'title' : 'content'
        return own.update(id, (draft: object) => Reflect.set(draft, column, text))
      }

      const pending: Promise<unknown>[] = []
      const note = ({ isPersisted }: Transaction) =>
        pending.push(
          isPersisted.promise.catch((error: unknown) => {
            expect(error).toBeInstanceOf(SessionDbError)
          }),
        )
      for (const { steps, isTransaction, waits } of turns) {
        if (isTransaction) {
          const transaction = createTransaction({ mutationFn: db.mutationFn })
          transaction.mutate(() => steps.forEach(apply))
          note(transaction)
        } else for (const each of steps) note(apply(each))
        const inThread = threadMessages.toArray.map(({ id, content }) => [id, content])
        const inSession = sessionMessages.toArray
          .filter(({ threadId }) => threadId === 't1')
          .map(({ id, content }) => [id, content])
        expect(inThread.sort()).toEqual(inSession.sort())
        if (!waits) continue
        await Promise.all(pending.splice(0))
        // A refused row leaves the other collections a few microtasks after its own.
        await new Promise((resolve) => setTimeout(resolve))
      }
      await Promise.all(pending)

      const titled = (rows: readonly { id: string; title: string }[]) =>
        rows.map(({ id, title }) => `${id} ${title}`).sort()
      const said = (rows: readonly { id: string; content: string; position: number }[]) =>
        rows.map(({ id, content, position }) => `${id} ${content} ${position}`).sort()
      await expect
        .poll(() => ({
          sessions: titled(db.sessions.toArray),
          threads: titled(threads.toArray),
          counts: threads.toArray.map(({ id, messageCount }) => `${id} ${messageCount}`).sort(),
          inSession: said(sessionMessages.toArray),
          inThread: said(threadMessages.toArray),
        }))
        .toEqual({
          sessions: titled(mock.rows('sessions')),
          threads: titled(mock.rows('chatThreads')),
          counts: mock
            .rows('chatThreads')
            .map(({ id, messageCount }) => `${id} ${messageCount}`)
            .sort(),
          inSession: said(mock.rows('chatMessages')),
          inThread: said(mock.rows('chatMessages').filter(({ threadId }) => threadId === 't1')),
        })
      await db.cleanup()
    },
  )
  await fc.assert(property, { numRuns: cases(20, 300) })
})
