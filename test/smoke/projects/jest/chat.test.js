import { createSessionCollections } from '@org/session-db'
import { createMemoryWriteAdapter, createShapeMock } from '@org/session-db/testing'
import { setupServer } from 'msw/node'

const electricUrl = 'http://app.test/api/shapes'
const mock = createShapeMock({
  electricUrl,
  tables: {
    sessions: [{ id: 's1' }],
    chatThreads: [{ id: 't1', sessionId: 's1' }],
    chatMessages: [{ id: 'm1', threadId: 't1', content: 'Why does it fail?' }],
  },
})
const server = setupServer(...mock.handlers)
const db = createSessionCollections({ electricUrl, writeAdapter: createMemoryWriteAdapter(mock) })

beforeAll(() => server.listen())
afterAll(async () => {
  await db.cleanup()
  mock.reset()
  server.close()
})

test('a form is sent, and both messages show', async () => {
  document.body.innerHTML = `
    <form>
      <input name="text" value="And now?">
      <input type="checkbox" name="off"><input type="checkbox" name="on" checked>
    </form>`
  const form = new FormData(document.querySelector('form'))
  expect([...form]).toEqual([
    ['text', 'And now?'],
    ['on', 'on'],
  ])

  const { messages } = db.thread({ id: 't1', sessionId: 's1' })
  await messages.preload()
  const { committed } = db.actions.appendMessage({
    threadId: 't1',
    role: 'user',
    content: form.get('text'),
  })
  await committed
  const texts = messages.toArray.map(({ content }) => content)
  expect(texts.sort()).toEqual(['And now?', 'Why does it fail?'])
})
