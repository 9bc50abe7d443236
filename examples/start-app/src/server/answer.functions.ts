import { SessionDbError } from '@org/session-db'
import { createServerFn } from '@tanstack/react-start'
import { type AnswerRequest, beginAnswer, endAnswer } from './answers.server'
import { signedIn } from './signed-in'

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
  }))
  .handler(({ data: request, context }) => beginAnswer(context.principal, request))

/** Stops an answer, whichever instance writes it. Its text so far is kept. */
export const stopAnswer = createServerFn({ method: 'POST' })
  .middleware([signedIn])
  .validator((request: Pick<AnswerRequest, 'answerId'>) => idOf(request, 'answerId'))
  .handler(({ data: answerId, context }) => endAnswer(context.principal, answerId))

function idOf<Name extends string>(value: { readonly [Key in Name]: unknown }, name: Name): string {
  const id: unknown = value?.[name]
  if (typeof id === 'string' && id.length > 0 && id.length <= 128) return id
  throw new SessionDbError('invalid', `${name} must be text of 1 to 128 characters.`)
}
