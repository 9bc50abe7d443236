import type { ChatMessageInsert, OutboxEntry } from '@org/session-db'
import { useEffect, useMemo, useState } from 'react'
import { useSessionDb } from '#/components/session-db'

/** A message that the server does not have yet. */
export interface UnsentMessage {
  readonly batchId: string
  readonly message: ChatMessageInsert
  /** Why the server refused it; undefined while it waits for the server. */
  readonly failure: string | undefined
}

/** The messages of a thread that wait in the outbox, and those that the server refused. */
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
