import { type ChatMessage, createId, SessionDbError } from '@org/session-db'
import { useMemo } from 'react'
import { useSessionDb } from '#/components/session-db'
import { useToast } from '#/components/ui/toaster'
import {
  type AnswerRequest,
  answerMessage,
  decideToolCall,
  stopAnswer,
} from '#/server/answer.functions'

interface Answers {
  /**
   * Requests an answer to a message. It grows in its thread, in every window.
   *
   * @returns resolves when the answer exists or the request has failed
   */
  ask(threadId: string, messageId: string): Promise<void>
  /** Requests another answer beside this one. */
  again(answer: ChatMessage, questionId: string): void
  /** Resumes an interrupted answer. */
  retry(threadId: string, messageId: string, answerId: string): void
  stop(answerId: string): void
  /** Allows or forbids a tool call that an answer waits for, which then goes on. */
  decide(answer: ChatMessage, approvalId: string, approved: boolean): void
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
    const request = (data: AnswerRequest) => {
      own.note(data.answerId, data.threadId)
      return answerMessage({ data }).catch(tell('The answer did not start'))
    }
    return {
      ask: (threadId, messageId) => request({ threadId, messageId, answerId: createId() }),
      again: ({ id, threadId }, messageId) =>
        void request({ threadId, messageId, answerId: createId(), besides: id }),
      retry: (threadId, messageId, answerId) => void request({ threadId, messageId, answerId }),
      stop(answerId) {
        own.note(answerId)
        stopAnswer({ data: { answerId } }).catch(tell('The answer was not stopped'))
      },
      decide({ id: answerId, threadId }, approvalId, approved) {
        const nextId = createId()
        own.note(answerId, threadId, nextId)
        decideToolCall({ data: { answerId, approvalId, approved, nextId } }).catch(
          tell('The decision was not sent'),
        )
      },
    }
  }, [own, toast])
}
