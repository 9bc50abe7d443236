import { attachFile, createId, type FilePart, type PendingAttachment } from '@org/session-db'
import { useEffect, useRef, useState } from 'react'
import { useSessionDb } from '#/components/session-db'

/** A file for a message that is not sent yet. */
export interface Attachment {
  readonly id: string
  readonly file: File
  /** The draft that the file belongs to. */
  readonly draft: string
  /** A URL of the image, of a kind that browsers show. */
  readonly preview: string | undefined
  /** The part that is uploaded, from 0 to 1. */
  readonly done: number
  /** The reason of a failure, for people. */
  readonly failure: string | null
  /** Undefined until the thread exists. */
  readonly pending: PendingAttachment | undefined
}

export interface Attachments {
  readonly files: readonly Attachment[]
  readonly add: (files: readonly File[]) => void
  readonly remove: (attachment: Attachment) => void
  /** Continues a failed upload where it stopped. */
  readonly retry: (attachment: Attachment) => void
  /** Uploads the rest. Resolves with the parts of the message, which takes the files over. */
  readonly take: (threadId: string) => Promise<FilePart[]>
}

const IMAGE = /^image\/(png|jpeg|gif|webp|avif)$/

/**
 * The files of a draft. They are uploaded immediately, or, before their thread exists, when the message is sent.
 *
 * @param threadId undefined for a thread that starts with the next message
 */
export function useAttachments(draft: string, threadId: string | undefined): Attachments {
  const { db } = useSessionDb()
  const [all, setAll] = useState<readonly Attachment[]>([])
  const files = all.filter((each) => each.draft === draft)

  const change = (id: string, changes: Partial<Attachment>) =>
    setAll((before) => before.map((each) => (each.id === id ? { ...each, ...changes } : each)))

  function start({ id, file }: Attachment, thread: string): PendingAttachment {
    const pending = attachFile(db, {
      id,
      file,
      threadId: thread,
      onProgress: ({ uploadedBytes, totalBytes }) =>
        change(id, { done: totalBytes > 0 ? uploadedBytes / totalBytes : 0 }),
    })
    pending.uploaded.then(
      () => change(id, { done: 1 }),
      (error: Error) => change(id, { failure: error.message }),
    )
    return pending
  }

  function restart(attachment: Attachment, thread: string): PendingAttachment {
    const pending = start(attachment, thread)
    change(attachment.id, { pending, failure: null })
    return pending
  }

  function forget(gone: readonly Attachment[]): void {
    for (const { preview } of gone) if (preview) URL.revokeObjectURL(preview)
    setAll((before) => before.filter(({ id }) => !gone.some((each) => each.id === id)))
  }

  // Files that were not sent are deleted when the user leaves the session.
  const unsent = useRef(all)
  useEffect(() => {
    unsent.current = all
  }, [all])
  useEffect(() => () => unsent.current.forEach(abort), [])

  return {
    files,
    add(added) {
      const entries = added.map((file): Attachment => {
        const preview = IMAGE.test(file.type) ? URL.createObjectURL(file) : undefined
        const entry = { id: createId(), file, draft, preview, done: 0, failure: null }
        const pending =
          threadId === undefined ? undefined : start({ ...entry, pending: undefined }, threadId)
        return { ...entry, pending }
      })
      setAll((before) => [...before, ...entries])
    },
    remove(attachment) {
      abort(attachment)
      forget([attachment])
    },
    retry: (attachment) =>
      threadId === undefined
        ? change(attachment.id, { failure: null, pending: undefined })
        : void restart(attachment, threadId),
    async take(thread) {
      const parts = await Promise.all(
        files.map((each) => {
          const { pending, failure } = each
          return (pending && !failure ? pending : restart(each, thread)).uploaded
        }),
      )
      forget(files)
      return parts
    },
  }
}

function abort({ pending }: Attachment): void {
  pending?.abort().catch(() => undefined)
}
