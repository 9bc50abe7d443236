import { convertToModelMessages, isStepCount, streamText, tool } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { onTestFinished } from 'vitest'
import * as z from 'zod'
import { toModelMessages } from '../../../src/chat/model-messages.ts'
import { createId } from '../../../src/collections/index.ts'
import { type ChatHandlerOptions, createChatHandler } from '../../../src/server/index.ts'
import { serve } from '../../unit/proxy/serve.ts'
import { finished, modelSaying, said } from '../docs/model.ts'
import { type AppServer, USER_HEADER } from './app-server.ts'
import { openAs } from './open-as.ts'

export type Answer = ChatHandlerOptions['answer']

/** Answers with a model, as the recipe does. */
export const answerWith =
  (model: MockLanguageModelV4, more: object = {}): Answer =>
  async ({ history, abortSignal }) => {
    const messages = await toModelMessages(history, convertToModelMessages)
    return streamText({
      model,
      messages,
      abortSignal,
      stopWhen: isStepCount(3),
      ...more,
    }).toUIMessageStream()
  }

/** Starts a thread and the route of its answers. */
export async function startThread(app: AppServer, answer: Answer, user = 'acme/ann') {
  const errors: unknown[] = []
  const route = await serve(
    createChatHandler({
      store: app.store,
      authenticate: (request) => app.principal(request.headers.get(USER_HEADER) ?? ''),
      answer,
      onError: (error) => errors.push(error),
    }),
  )
  onTestFinished(() => route.close())
  const db = openAs(app, user)
  const { id: sessionId } = db.actions.createSession({ title: 'S' })
  const threadId = createId()
  await db.actions.createThread({ id: threadId, sessionId, mode: 'session', title: 'T' }).committed
  const stored = async () =>
    (await app.store.readThread(app.principal(user), threadId))?.messages ?? []
  return { db, sessionId, threadId, stored, errors, route }
}

/** A model that asks to remove a file, which needs the user's approval, and the files that were removed. */
export function removingModel(afterwards: string) {
  const removed: string[] = []
  const remove = tool({
    inputSchema: z.object({ file: z.string() }),
    execute: async ({ file }) => {
      removed.push(file)
      return `removed ${file}`
    },
  })
  const call = { toolCallId: 'c1', toolName: 'remove', input: '{"file":"a"}' }
  const model = modelSaying(
    [{ type: 'tool-call', ...call }, finished('tool-calls')],
    [...said(afterwards), finished('stop')],
  )
  const answer = answerWith(model, { tools: { remove }, toolApproval: { remove: 'user-approval' } })
  return { answer, removed }
}

/** A model whose answer stops after its first words until it is released. */
export function heldModel(first: string, rest: string) {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let aborted = false
  const model = new MockLanguageModelV4({
    doStream: async ({ abortSignal }) => {
      abortSignal?.addEventListener('abort', () => {
        aborted = true
      })
      const stream = new ReadableStream({
        async start(controller) {
          controller.enqueue({ type: 'stream-start', warnings: [] })
          controller.enqueue({ type: 'text-start', id: '1' })
          controller.enqueue({ type: 'text-delta', id: '1', delta: first })
          await released
          controller.enqueue({ type: 'text-delta', id: '1', delta: rest })
          controller.enqueue({ type: 'text-end', id: '1' })
          controller.enqueue(finished('stop'))
          controller.close()
        },
      })
      return { stream } as never
    },
  })
  return { model, release: () => release(), wasAborted: () => aborted }
}
