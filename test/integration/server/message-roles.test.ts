import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runWrite } from '../../../src/server/write-handler.ts'
import type { MutationInput } from '../../../src/writes/index.ts'
import {
  ada,
  insertMessage,
  insertSession,
  insertThread,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore()
  await fixture.write(ada, insertSession('s'), insertThread('s', 't'))
})
afterAll(() => fixture.close())

/** Writes as the write handler does for a browser. Returns the error code. */
async function fromBrowser(...mutations: MutationInput[]): Promise<string | undefined> {
  const outcome = await runWrite(fixture.store, ada, { id: randomUUID(), mutations })
  return 'error' in outcome ? outcome.error.code : undefined
}

const roles = ['assistant', 'system', 'tool'] as const

test.each(roles)('a browser may not write %s messages, alone or in a batch', async (role) => {
  const message = (id: string, more: object) => insertMessage('t', `${role}-${id}`, more)
  expect(await fromBrowser(message('user', {}))).toBeUndefined()
  expect(await fromBrowser(message('1', { role }))).toBe('forbidden')
  expect(await fromBrowser(message('2', {}), message('3', { role }))).toBe('forbidden')
  const missing = insertMessage('no-such-thread', `${role}-4`, { role })
  expect(await fromBrowser(missing)).toBe('not_found')
})

test.each(roles)('a browser may not change or append to a %s message', async (role) => {
  const id = `${role}-stream`
  const metadata = { stream: { writer: 'w' } }
  await fixture.write(ada, insertMessage('t', id, { role, status: 'streaming', metadata }))
  const row = { collection: 'chatMessages', id } as const
  const append: MutationInput = {
    ...row,
    type: 'append',
    writer: 'w',
    seq: 0,
    deltas: [{ delta: 'x' }],
  }
  expect(await fromBrowser({ ...row, type: 'update', changes: { content: 'forged' } })).toBe(
    'forbidden',
  )
  expect(await fromBrowser(append)).toBe('forbidden')
  await fixture.write(ada, append)
  expect(await fromBrowser({ ...row, type: 'delete' })).toBeUndefined()
})

test('the app may allow other roles', async () => {
  const batch = { id: 'b', mutations: [insertMessage('t', 'allowed', { role: 'assistant' })] }
  const outcome = await runWrite(fixture.store, ada, batch, { messageRoles: ['assistant'] })
  expect(outcome).toMatchObject({ batchId: 'b' })
})
