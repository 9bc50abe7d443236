import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createOutbox } from '../../../src/collections/index.ts'
import { eventually } from '../../support/eventually.ts'
import { accepted, open } from './support/open.ts'

// Node has no IndexedDB, like a server that renders pages.
const unhandled: unknown[] = []
const note = (reason: unknown) => unhandled.push(reason)
const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})

beforeEach(() => void process.on('unhandledRejection', note))
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
  vi.unstubAllGlobals()
  warn.mockClear()
})

function openWithOutbox() {
  const outbox = createOutbox({ identity: { tenantId: 't1', userId: 'ann' } })
  return { ...open({ outbox, onError: () => {} }), outbox }
}

describe('an outbox without IndexedDB', () => {
  test('warns once and does not end the process', async () => {
    const { outbox } = openWithOutbox()
    expect(await outbox.entries()).toEqual([])
    expect(warn).toHaveBeenCalledOnce()
    expect(warn.mock.calls[0]?.[0]).toMatch(/IndexedDB is not available.*in memory/)
  })

  test('keeps writes in memory, retries and reports refused ones', async () => {
    const { db, writes, outbox } = openWithOutbox()
    const first = db.actions.createSession({ id: 's1', title: 'First' })
    await eventually(() => expect(writes).toHaveLength(1))
    expect(await outbox.entries()).toHaveLength(1)
    writes[0]?.fail(new TypeError('Failed to fetch'))
    outbox.flush()
    await eventually(() => expect(writes).toHaveLength(2))
    expect(writes[1]?.batch).toEqual(writes[0]?.batch)
    if (writes[1]) writes[1].answer(accepted(writes[1].batch, null))
    await first.committed
    await eventually(async () => expect(await outbox.entries()).toEqual([]))

    const refused = db.actions.createSession({ id: 's2', title: 'Second' })
    await eventually(() => expect(writes).toHaveLength(3))
    writes[2]?.answer({ error: { code: 'forbidden', message: 'no' } })
    await expect(refused.committed).rejects.toMatchObject({ code: 'forbidden' })
    expect(await outbox.entries()).toMatchObject([{ failure: { code: 'forbidden' } }])
    await outbox.discard(refused.batchId)
    await outbox.clear()
    expect(await outbox.entries()).toEqual([])
  })

  test.each([
    ['navigator.locks is null, as in happy-dom', { navigator: { locks: null } }],
    ['there is no BroadcastChannel', { BroadcastChannel: undefined }],
  ])('sends when %s', async (_when, globals) => {
    for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value)
    const { db, writes } = openWithOutbox()
    db.actions.createSession({ id: 's1', title: 'First' })
    await eventually(() => expect(writes).toHaveLength(1))
  })
})
