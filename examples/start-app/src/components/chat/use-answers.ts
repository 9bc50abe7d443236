import { createId, SessionDbError } from '@org/session-db'
import { useMemo } from 'react'
import { useSessionDb } from '#/components/session-db'
import { useToast } from '#/components/ui/toaster'
import { answerMessage, stopAnswer } from '#/server/answer.functions'

interface Answers {
  /** Has a message answered; the answer grows in its thread, in every window. */
  ask(threadId: string, messageId: string): void
  /** Goes on with an answer that broke off or was stopped. */
  retry(threadId: string, messageId: string, answerId: string): void
  stop(answerId: string): void
}

/** Asks the server for answers, and tells the user when there is none. */
export function useAnswers(): Answers {
  const { own } = useSessionDb()
  const toast = useToast()
  return useMemo(() => {
    const tell = (title: string) => (error: Error) => {
      // Somebody else has just done the same.
      if (error instanceof SessionDbError && error.code === 'conflict') return
      toast({ title, text: error.message })
    }
    const retry: Answers['retry'] = (threadId, messageId, answerId) => {
      own.note(answerId, threadId)
      answerMessage({ data: { threadId, messageId, answerId } }).catch(tell('There is no answer'))
    }
    return {
      retry,
      ask: (threadId, messageId) => retry(threadId, messageId, createId()),
      stop(answerId) {
        own.note(answerId)
        stopAnswer({ data: { answerId } }).catch(tell('The answer was not stopped'))
      },
    }
  }, [own, toast])
}
