import { expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { openMock } from './support/open-mock.ts'

test('shows a message whose insert and resumed stream arrive in one transaction', async () => {
  const { mock, open } = openMock()
  mock.insert('sessions', { id: 's1', ownerId: 'ann' })
  mock.insert('chatThreads', { id: 't1', sessionId: 's1' })
  const parts = [{ type: 'text', text: 'Half an' }]
  mock.insert('chatMessages', {
    id: 'm1',
    threadId: 't1',
    role: 'assistant',
    status: 'error',
    content: 'Half an',
    parts,
  })
  // The first window makes the shape's log, to which the update is appended.
  const first = open().session('s1').messages
  await first.preload()
  mock.update('chatMessages', { tenantId: 'acme', id: 'm1' }, { status: 'streaming' })
  await eventually(() => expect(first.get('m1')?.status).toBe('streaming'))

  const second = open().session('s1').messages
  await second.preload()
  expect(second.get('m1')).toMatchObject({ status: 'streaming', content: 'Half an', parts })
})
