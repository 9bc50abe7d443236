import { SessionDbError } from '@org/session-db'
import { createServerFn } from '@tanstack/react-start'
import { type AnswerRequest, beginAnswer, type Decision, decide, endAnswer } from './answers.server'
import { signedIn } from './signed-in'

export type { AnswerRequest }

/**
 * Answers a message of the user. For a retry pass a new `answerId`; the id of an interrupted or
 * stopped answer resumes it.
 *
 * @throws SessionDbError `not_found`; `conflict` when the answer is complete
 */
export const answerMessage = createServerFn({ method: 'POST' })
  .middleware([signedIn])
  .validator((request: AnswerRequest) => ({
    threadId: idOf(request, 'threadId'),
    messageId: idOf(request, 'messageId'),
    answerId: idOf(request, 'answerId'),
    ...(request.besides !== undefined && {
      besides: idOf({ besides: request.besides }, 'besides'),
    }),
  }))
  .handler(({ data: request, context }) => beginAnswer(context.principal, request))

/** Stops an answer, whichever instance writes it. Its text so far is kept. */
export const stopAnswer = createServerFn({ method: 'POST' })
  .middleware([signedIn])
  .validator((request: Pick<AnswerRequest, 'answerId'>) => idOf(request, 'answerId'))
  .handler(({ data: answerId, context }) => endAnswer(context.principal, answerId))

/** Allows or forbids a tool call that an answer waits for. The assistant goes on in another message. */
export const decideToolCall = createServerFn({ method: 'POST' })
  .middleware([signedIn])
  .validator((decision: Decision) => ({
    answerId: idOf(decision, 'answerId'),
    approvalId: idOf(decision, 'approvalId'),
    nextId: idOf(decision, 'nextId'),
    approved: decision.approved === true,
  }))
  .handler(({ data: decision, context }) => decide(context.principal, decision))

function idOf<Name extends string>(value: { readonly [Key in Name]: unknown }, name: Name): string {
  const id: unknown = value?.[name]
  if (typeof id === 'string' && id.length > 0 && id.length <= 128) return id
  throw new SessionDbError('invalid', `${name} must be text of 1 to 128 characters.`)
}
