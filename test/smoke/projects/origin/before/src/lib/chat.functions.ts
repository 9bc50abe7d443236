import { createServerFn } from '@tanstack/react-start'
import { generateText } from 'ai'
import { appendChatMessage, listChatMessages } from './chat-messages.server'
import { getActiveChatThread } from './chat-threads.server'
import {
  appendChatToolEvent,
  listChatToolEvents,
  updateChatToolEventStatus,
} from './chat-tool-events.server'
import { model } from './model.server'

const SESSION_ID = 'session-default'

export const getChat = createServerFn({ method: 'GET' }).handler(() => {
  const thread = getActiveChatThread(SESSION_ID, 'session')
  const messages = listChatMessages(SESSION_ID, 'session', thread.id)
  const toolCalls = listChatToolEvents(SESSION_ID).length
  const rows = messages.map(({ id, role, content }) => ({ id, role, content }))
  return { thread, messages: rows, toolCalls }
})

export const sendMessage = createServerFn({ method: 'POST' })
  .inputValidator((content: string) => content)
  .handler(async ({ data: content }) => {
    const thread = getActiveChatThread(SESSION_ID, 'session')
    const place = { sessionId: SESSION_ID, mode: 'session', threadId: thread.id } as const
    appendChatMessage({ ...place, role: 'user', content })
    const call = {
      sessionId: SESSION_ID,
      threadId: thread.id,
      toolName: 'ask_model',
      arguments: {},
    }
    const event = appendChatToolEvent(call)
    const history = listChatMessages(SESSION_ID, 'session', thread.id)
    const messages = history.map(({ role, content }) => ({ role, content }))
    const { text } = await generateText({ model, messages })
    updateChatToolEventStatus(event.id, 'succeeded', { result: text })
    appendChatMessage({ ...place, role: 'assistant', content: text })
    return text
  })
