import type { ChatMessageInsert, OutboxEntry } from '@org/session-db'
import { useEffect, useMemo, useState } from 'react'
import { useSessionDb } from '#/components/session-db'

/** A message that is not stored on the server. */
export interface UnsentMessage {
  readonly batchId: string
  readonly message: ChatMessageInsert
  /** The server's reason for refusing it; undefined while it waits. */
  readonly failure: string | undefined
}

/** The messages of a thread that wait in the outbox or were refused by the server. */
export function useOutboxMessages(threadId: string): readonly UnsentMessage[] {
  const { outbox } = useSessionDb()
  const [entries, setEntries] = useState<readonly OutboxEntry[]>([])
  useEffect(() => {
    let isHere = true
    const read = () =>
      outbox.entries().then(
        (all) => isHere && setEntries(all),
        () => undefined,
      )
    read()
    const stop = outbox.status.subscribe(read)
    return () => {
      isHere = false
      stop()
    }
  }, [outbox])
  return useMemo(
    () =>
      entries.flatMap(({ batch, failure }) =>
        batch.mutations.flatMap((mutation) =>
          mutation.collection === 'chatMessages' &&
          mutation.type === 'insert' &&
          mutation.value.threadId === threadId
            ? [{ batchId: batch.id, message: mutation.value, failure: failure?.message }]
            : [],
        ),
      ),
    [entries, threadId],
  )
}
