import { createServerFn } from '@tanstack/react-start'
import { generateText } from 'ai'
import { model } from './model.server'
import {
  appendChatMessage,
  appendChatToolEvent,
  getActiveChatThread,
  listChatMessages,
  listChatToolEvents,
  storedSessionId,
  updateChatToolEventStatus,
} from './stores.server'

const SESSION_ID = 'session-default'

export const getChat = createServerFn({ method: 'GET' }).handler(async () => {
  const thread = await getActiveChatThread(SESSION_ID, 'session')
  const messages = await listChatMessages(SESSION_ID, 'session', thread.id)
  const toolCalls = (await listChatToolEvents(SESSION_ID)).length
  const sessionId = storedSessionId(SESSION_ID)
  const rows = messages.map(({ id, role, content }) => ({ id, role, content }))
  return { sessionId, thread, messages: rows, toolCalls }
})

export const sendMessage = createServerFn({ method: 'POST' })
  .inputValidator((content: string) => content)
  .handler(async ({ data: content }) => {
    const thread = await getActiveChatThread(SESSION_ID, 'session')
    const place = { sessionId: SESSION_ID, mode: 'session', threadId: thread.id } as const
    await appendChatMessage({ ...place, role: 'user', content })
    const call = {
      sessionId: SESSION_ID,
      threadId: thread.id,
      toolName: 'ask_model',
      arguments: {},
    }
    const event = await appendChatToolEvent(call)
    const history = await listChatMessages(SESSION_ID, 'session', thread.id)
    const messages = history.map(({ role, content }) => ({ role, content }))
    const { text } = await generateText({ model, messages })
    await updateChatToolEventStatus(event.id, 'succeeded', { result: text })
    await appendChatMessage({ ...place, role: 'assistant', content: text })
    return text
  })
