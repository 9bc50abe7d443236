import { createId, type PendingUpload, type UploadProgress, uploadSession } from '@org/session-db'
import { useNavigate } from '@tanstack/react-router'
import { FileUp } from 'lucide-react'
import { createContext, type ReactNode, useContext, useRef, useState } from 'react'
import { useSessionDb } from '#/components/session-db'
import { ConfirmDialog } from '#/components/ui/later-dialogs'
import { noListSearch } from '#/lib/session-search'
import { useFileDrop } from '#/lib/use-file-drop'

/** A file being uploaded. */
export interface UploadEntry {
  /** The id of the session that the file becomes. */
  readonly id: string
  readonly file: File
  readonly progress: UploadProgress | null
  /** The reason of a failure, for people. */
  readonly failure: string | null
  readonly pending: PendingUpload
}

interface Uploads {
  readonly entries: readonly UploadEntry[]
  /** Opens the file dialog. */
  choose(): void
  /** Continues a failed upload where it stopped. */
  retry(entry: UploadEntry): void
  /** Cancels an upload, also on the server. */
  cancel(entry: UploadEntry): void
}

const UploadsContext = createContext<Uploads | null>(null)

export function useUploads(): Uploads {
  const value = useContext(UploadsContext)
  if (value === null) throw new Error('useUploads is used outside UploadsProvider')
  return value
}

const LOG_NAME = /\.(jsonl?|ndjson|log|txt)(\.gz|\.zst)?$|\.(db|sqlite3?|vscdb)$/i

/** Returns whether a file may be a session log, by its name or because it starts like JSON. */
async function looksLikeLog(file: File): Promise<boolean> {
  return LOG_NAME.test(file.name) || /^\s*[[{]/.test(await file.slice(0, 64).text())
}

/** Uploads files that are dropped on the page or chosen. Asks about those that are no logs. */
export function UploadsProvider({ children }: { children: ReactNode }) {
  const { db, own } = useSessionDb()
  const navigate = useNavigate()
  const [entries, setEntries] = useState<readonly UploadEntry[]>([])
  const input = useRef<HTMLInputElement>(null)

  const change = (id: string, changes: Partial<UploadEntry>) =>
    setEntries((all) => all.map((entry) => (entry.id === id ? { ...entry, ...changes } : entry)))
  const drop = (id: string) => setEntries((all) => all.filter((entry) => entry.id !== id))

  function start(file: File, id: string): PendingUpload {
    own.note(id)
    const pending = uploadSession(db, {
      file,
      id,
      onProgress: (progress) => change(id, { progress }),
    })
    pending.uploaded.then(
      () => drop(id),
      (error: Error) => change(id, { failure: error.message }),
    )
    return pending
  }

  function upload(files: readonly File[]): void {
    const added = files.map((file): UploadEntry => {
      const id = createId()
      return { id, file, progress: null, failure: null, pending: start(file, id) }
    })
    setEntries((all) => [...all, ...added])
    const [only, ...more] = added
    // A search or filter could hide the new sessions.
    if (only && more.length === 0) {
      navigate({ to: '/sessions/$sessionId', params: { sessionId: only.id }, search: noListSearch })
    } else {
      navigate({ to: '.', search: (search) => ({ ...search, ...noListSearch }) })
    }
  }

  const [doubtful, setDoubtful] = useState<readonly File[]>([])
  async function offer(files: readonly File[]): Promise<void> {
    const areLogs = await Promise.all(files.map(looksLikeLog))
    upload(files.filter((_, index) => areLogs[index]))
    setDoubtful(files.filter((_, index) => !areLogs[index]))
  }

  const isDragging = useFileDrop(offer)
  const value: Uploads = {
    entries,
    choose: () => input.current?.click(),
    retry: ({ id, file }) =>
      change(id, { failure: null, progress: null, pending: start(file, id) }),
    cancel({ id, pending }) {
      drop(id)
      pending.abort().catch(() => undefined)
    },
  }
  return (
    <UploadsContext value={value}>
      {children}
      <input
        ref={input}
        type="file"
        multiple
        hidden
        data-testid="upload-input"
        aria-label="Session logs to upload"
        accept=".jsonl,.json,.ndjson,.log,.txt,application/json,text/plain"
        onChange={(event) => {
          offer([...(event.target.files ?? [])])
          event.target.value = ''
        }}
      />
      {doubtful.length > 0 && (
        <ConfirmDialog
          title={`Upload ${doubtful.map(({ name }) => name).join(', ')}?`}
          description={
            doubtful.length === 1
              ? 'This does not look like a session log.'
              : 'These do not look like session logs.'
          }
          action="Upload anyway"
          onClose={() => setDoubtful([])}
          onConfirm={() => upload(doubtful)}
        />
      )}
      {isDragging && (
        <div
          data-testid="drop-zone"
          className="pointer-events-none fixed inset-2 z-50 flex animate-fade flex-col items-center justify-center gap-3 rounded-2xl border-2 border-dashed border-accent bg-background/90 text-sm font-medium"
        >
          <FileUp className="size-8 text-accent-text" aria-hidden />
          Drop session logs to upload them
        </div>
      )}
    </UploadsContext>
  )
}
