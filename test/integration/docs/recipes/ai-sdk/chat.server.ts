import { convertToModelMessages, streamText } from 'ai'
import { createChatHandler, toModelMessages } from '../../../../../src/server.ts'
import { model, principalOf, store } from './session-db.server.ts'

export const serveChat = createChatHandler({
  store,
  authenticate: principalOf,
  async answer({ history, abortSignal }) {
    const messages = await toModelMessages(history, convertToModelMessages)
    return streamText({ model, messages, abortSignal }).toUIMessageStream()
  },
})
