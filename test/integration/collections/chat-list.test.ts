import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chatList, createId, messageFeedback, unreadCount } from '../../../src/collections/index.ts'
import { eventually } from '../../support/eventually.ts'
import { type AppServer, startAppServer } from './app-server.ts'
import { openAs } from './open-as.ts'

let app: AppServer

beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

/** Creates a session of Ann's with a thread of `messages` messages. */
async function givenChat(messages: number, visibility: 'private' | 'tenant' = 'private') {
  const ann = openAs(app, 'acme/ann')
  const sessionId = createId()
  const id = createId()
  await ann.actions.createSession({ id: sessionId, title: 'S', visibility }).committed
  await ann.actions.createThread({ id, sessionId, mode: 'session', title: 'T' }).committed
  for (let n = 1; n <= messages; n += 1) {
    await ann.actions.appendMessage({ threadId: id, role: 'user', content: `Message ${n}` })
      .committed
  }
  return { ann, sessionId, id }
}

describe('the list of chats', () => {
  test('shows the threads of all sessions, with their last activity', async () => {
    const one = await givenChat(1)
    const other = await givenChat(2)
    const { threads } = chatList(one.ann)
    expect(chatList(one.ann).threads).toBe(threads)
    await threads.preload()
    expect(threads.get(one.id)).toMatchObject({ title: 'T', lastPosition: 1 })
    await other.ann.actions.appendMessage({ threadId: other.id, role: 'user', content: 'Latest' })
      .committed
    await eventually(() =>
      expect(threads.get(other.id)).toMatchObject({ lastMessagePreview: 'Latest' }),
    )
    const write = one.ann.actions.renameThread(other.id, 'Renamed')
    expect(threads.get(other.id)?.title).toBe('Renamed')
    await write.committed
    expect(threads.get(other.id)?.title).toBe('Renamed')
  })

  test('gains and loses the threads of a session as it is shared and revoked', async () => {
    const { ann, sessionId, id } = await givenChat(1)
    const bob = chatList(openAs(app, 'acme/bob'))
    await bob.threads.preload()
    expect(bob.threads.has(id)).toBe(false)
    const { grants } = ann.session(sessionId)
    await grants.preload()
    const { id: grant } = ann.actions.shareSession(sessionId, 'user:bob', 'viewer')
    await eventually(() => expect(bob.threads.get(id)).toMatchObject({ version: 2 }))
    const later = createId()
    await ann.actions.createThread({ id: later, sessionId, mode: 'general', title: 'Later' })
      .committed
    await eventually(() => expect(bob.threads.get(later)?.title).toBe('Later'))
    await ann.actions.unshareSession(grant).committed
    await eventually(() =>
      expect([bob.threads.has(id), bob.threads.has(later)]).toEqual([false, false]),
    )
  })

  test('counts unread messages per user, live in the user’s other windows', async () => {
    const { ann, id, sessionId } = await givenChat(3, 'tenant')
    const bob = chatList(openAs(app, 'acme/bob'))
    const bobElsewhere = chatList(openAs(app, 'acme/bob'))
    const annsList = chatList(ann)
    for (const { threads, states } of [bob, bobElsewhere, annsList]) {
      await Promise.all([threads.preload(), states.preload()])
    }
    const unread = ({ threads, states }: typeof bob) => {
      const thread = threads.get(id)
      return thread && unreadCount(thread, states.get(id))
    }
    await eventually(() => expect(unread(bob)).toBe(3))
    bob.markRead({ id, sessionId, lastPosition: 3 }, 2)
    expect(unread(bob)).toBe(1)
    await eventually(() => expect(unread(bobElsewhere)).toBe(1))
    await bob.pin({ id, sessionId }).committed
    await eventually(() => expect(bobElsewhere.states.get(id)?.pinnedAt).toBeInstanceOf(Date))
    // An older position, which another window still has, changes nothing.
    await openAs(app, 'acme/bob').actions.write([
      { collection: 'threadStates', type: 'set', id, changes: { readPosition: 1 } },
    ]).committed
    await bobElsewhere.pin({ id, sessionId }, false).committed
    await eventually(() => expect(bob.states.get(id)?.pinnedAt).toBeNull())
    expect(unread(bob)).toBe(1)
    // Another user doesn't see it.
    expect(annsList.states.has(id)).toBe(false)
  })

  test('marks a message as read that is being sent', async () => {
    const { ann, id, sessionId } = await givenChat(0)
    const list = chatList(ann)
    await Promise.all([list.threads.preload(), list.states.preload()])
    const sent = ann.actions.appendMessage({ threadId: id, sessionId, role: 'user', content: 'Hi' })
    const thread = list.threads.get(id)
    expect(thread?.lastPosition).toBe(1)
    if (thread) list.markRead(thread)
    await sent.committed
    await eventually(() =>
      expect(list.states.get(id)).toMatchObject({ readPosition: 1, version: 1 }),
    )
  })

  test('rolls back a mark that the server refuses', async () => {
    const { id, sessionId } = await givenChat(1)
    const bob = chatList(openAs(app, 'acme/bob'))
    await bob.states.preload()
    const write = bob.pin({ id, sessionId })
    expect(bob.states.has(id)).toBe(true)
    await expect(write.committed).rejects.toMatchObject({ code: 'not_found' })
    expect(bob.states.has(id)).toBe(false)
  })
})

describe('feedback on messages', () => {
  test('shows immediately, in the user’s other windows, and to nobody else', async () => {
    const { ann, sessionId } = await givenChat(1, 'tenant')
    const messages = ann.session(sessionId).messages
    await messages.preload()
    const [message] = [...messages.values()]
    const messageId = message?.id ?? ''
    const bob = openAs(app, 'acme/bob')
    const list = messageFeedback(bob, sessionId)
    const elsewhere = messageFeedback(openAs(app, 'acme/bob'), sessionId)
    const anns = messageFeedback(ann, sessionId)
    await bob.session(sessionId).messages.preload()
    for (const { feedback } of [list, elsewhere, anns]) await feedback.preload()
    const write = list.rate(messageId, { rating: 'down', comment: 'Wrong' })
    expect(list.feedback.get(messageId)).toMatchObject({ rating: 'down', comment: 'Wrong' })
    await write.committed
    await eventually(() =>
      expect(elsewhere.feedback.get(messageId)).toMatchObject({ rating: 'down', version: 1 }),
    )
    await list.rate(messageId, { rating: null }).committed
    expect(list.feedback.get(messageId)).toMatchObject({ rating: null, comment: 'Wrong' })
    expect(anns.feedback.size).toBe(0)
    await ann.actions.deleteMessage(messageId).committed
    await eventually(() => expect(elsewhere.feedback.size).toBe(0))
  })
})
