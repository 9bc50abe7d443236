import { expect, test } from 'vitest'
import { createUploadHandler, type SessionStore } from '../../../src/server/index.ts'

test('cuts the title of a long file name between characters', async () => {
  const titles: unknown[] = []
  const store = {
    createSession: async (_principal: unknown, { title }: { title: unknown }) => {
      titles.push(title)
      return { sessionId: 's', status: 'pending', receivedBytes: 0, totalBytes: 1 }
    },
  } as unknown as SessionStore
  const serve = createUploadHandler({
    store,
    authenticate: () => ({ tenantId: 't1', userId: 'ann' }),
  })
  const create = (name: string) =>
    serve(
      new Request('http://app.test/api/uploads', {
        method: 'POST',
        headers: {
          'upload-length': '1',
          'upload-metadata': `filename ${Buffer.from(name).toString('base64')}`,
        },
      }),
    )
  expect((await create(`${'x'.repeat(499)}👋.jsonl`)).status).toBe(201)
  expect((await create('👋'.repeat(1_100))).status).toBe(201)
  expect(titles).toEqual([`${'x'.repeat(499)}👋.jsonl`, '👋'.repeat(1_000)])
})
