import { createLiveQueryCollection, eq } from '@tanstack/db'
import { expect, expectTypeOf, test } from 'vitest'
import type { ChatMessage } from '../../../src/schema/index.ts'
import { eventually } from '../../support/eventually.ts'
import { open } from './support/open.ts'
import { message, thread } from './support/rows.ts'

test('collections join, filter and sort in live queries, optimistic rows included', async () => {
  const { db, shapes } = open()
  const scope = db.session('s1')
  shapes.seed('session-threads/s1', [thread('th1'), thread('th2', { status: 'archived' })])
  shapes.seed('session-messages/s1', [
    message('m2', { position: 2 }),
    message('m1', { position: 1 }),
    message('m3', { threadId: 'th2' }),
  ])
  const query = createLiveQueryCollection((q) =>
    q
      .from({ message: scope.messages })
      .join({ thread: scope.threads }, (row) => eq(row.message.threadId, row.thread.id), 'inner')
      .where((row) => eq(row.thread.status, 'active'))
      .orderBy((row) => row.message.position)
      .select((row) => ({ text: row.message.content, at: row.message.createdAt })),
  )
  await query.preload()
  expect(query.toArray.map(({ text }) => text)).toEqual(['Message m1', 'Message m2'])
  db.actions.appendMessage({ threadId: 'th1', role: 'user', content: 'New' })
  await eventually(() =>
    expect(query.toArray.map(({ text }) => text)).toEqual(['Message m1', 'Message m2', 'New']),
  )
  await query.cleanup()
  type Shown = (typeof query.toArray)[number]
  expectTypeOf<Shown['at']>().toEqualTypeOf<Date>()
  expectTypeOf(scope.messages.get('m1')).toExtend<ChatMessage | undefined>()
})
