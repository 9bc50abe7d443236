import 'fake-indexeddb/auto'
import { expect, onTestFinished, test } from 'vitest'
import {
  createOutbox,
  createPersistence,
  createSessionCollections,
} from '../../../src/collections/index.ts'
import type { WriteAdapter } from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'

test('docs/offline.md', async () => {
  const electricUrl = 'http://127.0.0.1:9/api/shapes'
  const problems: (string | undefined)[] = []
  const showProblem = (message: string | undefined) => void problems.push(message)
  const writeAdapter: WriteAdapter = async () => ({
    error: { code: 'forbidden', message: 'That is not yours.' },
  })

  const identity = { tenantId: 'acme', userId: 'ann' }
  const outbox = createOutbox({
    identity,
    onFailed: ({ failure }) => showProblem(failure?.message),
  })
  const db = createSessionCollections({ electricUrl, writeAdapter, identity, outbox })
  onTestFinished(() => db.cleanup())

  await expect(db.actions.renameThread('t1', 'New').committed).rejects.toMatchObject({
    code: 'forbidden',
  })
  expect(problems).toEqual(['That is not yours.'])
  await eventually(() => expect(outbox.status.get().failed).toBe(1))

  const refused = (await outbox.entries()).filter(({ failure }) => failure !== undefined)
  for (const { batch, failure } of refused) {
    if (failure?.code === 'conflict') await outbox.retry(batch.id)
    else await outbox.discard(batch.id)
  }
  expect(await outbox.entries()).toEqual([])
})

test('docs/offline.md: a reload without a wait', async () => {
  const electricUrl = 'http://127.0.0.1:9/api/shapes'
  const writeAdapter: WriteAdapter = async () => Promise.reject(new TypeError('offline'))
  const identity = { tenantId: 'acme', userId: 'ann' }
  const outbox = createOutbox({ identity })

  const collections = ['sessions', 'chatThreads', 'chatMessages']
  const persistence = createPersistence({ identity, collections })
  const db = createSessionCollections({
    electricUrl,
    writeAdapter,
    identity,
    outbox,
    persistence,
  })
  onTestFinished(() => db.cleanup())
  expect(db.sessions.size).toBe(0)
  await db.signOut()
})
