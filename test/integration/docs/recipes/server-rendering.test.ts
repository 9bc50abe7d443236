import { expect, onTestFinished, test } from 'vitest'
import { createSessionCollections } from '../../../../src/collections/index.ts'
import type { WriteAdapter } from '../../../../src/writes/index.ts'
import { ada, startStore } from '../../server/store-fixture.ts'

test('docs/recipes/server-rendering.md', async () => {
  const { store, write, close } = await startStore()
  onTestFinished(close)
  const principal = ada
  const identity = ada
  const writeAdapter: WriteAdapter = async () => Promise.reject(new Error('no writes'))
  await write(ada, { collection: 'sessions', type: 'insert', value: { id: 's1', title: 'First' } })

  // On the server, in a loader or a server component.
  const initialRows = [
    await store.readRows(principal, {
      shape: 'sessions',
      orderBy: 'createdAt',
      descending: true,
      limit: 50,
    }),
  ]

  // In the component that creates the collections, which runs on the server and in the browser.
  const db = createSessionCollections({
    electricUrl: '/api/shapes',
    writeAdapter,
    identity,
    initialRows,
  })
  onTestFinished(() => db.cleanup())
  await db.sessions.preload()
  expect(db.sessions.toArray.map(({ title }) => title)).toEqual(['First'])
})
