import { createId, SessionDbError } from '@org/session-db'
import { useMemo } from 'react'
import { useSessionDb } from '#/components/session-db'
import { useToast } from '#/components/ui/toaster'
import { answerMessage, stopAnswer } from '#/server/answer.functions'

interface Answers {
  /** Requests an answer to a message. It grows in its thread, in every window. */
  ask(threadId: string, messageId: string): void
  /** Resumes an interrupted answer. */
  retry(threadId: string, messageId: string, answerId: string): void
  stop(answerId: string): void
}

/** Requests answers from the server, and notifies the user of failures. */
export function useAnswers(): Answers {
  const { own } = useSessionDb()
  const toast = useToast()
  return useMemo(() => {
    const tell = (title: string) => (error: Error) => {
      // Another user has just done the same.
      if (error instanceof SessionDbError && error.code === 'conflict') return
      toast({ title, text: error.message })
    }
    const retry: Answers['retry'] = (threadId, messageId, answerId) => {
      own.note(answerId, threadId)
      answerMessage({ data: { threadId, messageId, answerId } }).catch(
        tell('The answer did not start'),
      )
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
