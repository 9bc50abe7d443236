import type { JsonObject } from '@org/session-db'
import { CircleAlert, File as FileIcon, RefreshCw, X } from 'lucide-react'
import { Progress } from '#/components/ui/progress'
import { bytes } from '#/lib/format'
import type { Attachment, Attachments } from './use-attachments'

/** The files of the next message, with their progress. */
export function AttachmentChips({ files, remove, retry }: Attachments) {
  return (
    <ul aria-label="Attached files" className="flex flex-wrap gap-1.5 px-2 pt-2 empty:hidden">
      {files.map((each) => (
        <Chip key={each.id} attachment={each} onRemove={remove} onRetry={retry} />
      ))}
    </ul>
  )
}

interface ChipProps {
  attachment: Attachment
  onRemove: (attachment: Attachment) => void
  onRetry: (attachment: Attachment) => void
}

function Chip({ attachment, onRemove, onRetry }: ChipProps) {
  const { file, preview, done, failure, pending } = attachment
  const isUploading = pending !== undefined && done < 1 && failure === null
  return (
    <li
      data-testid="attachment"
      data-failed={failure !== null || undefined}
      data-uploaded={done === 1 || undefined}
      className="flex max-w-full items-center gap-2 rounded-lg border bg-surface p-1.5 text-xs"
    >
      {preview ? (
        <img src={preview} alt="" className="size-9 rounded-md object-cover" />
      ) : (
        <FileIcon className="m-2 size-5 shrink-0 text-muted-foreground" aria-hidden />
      )}
      <div className="w-24 min-w-0 space-y-1">
        <p className="truncate font-medium">{file.name}</p>
        {isUploading ? (
          <Progress label={`Upload of ${file.name}`} value={done} />
        ) : (
          <p
            role={failure ? 'alert' : undefined}
            className={failure ? 'text-danger' : 'text-muted-foreground'}
          >
            {failure ?? bytes(file.size)}
          </p>
        )}
      </div>
      {failure && (
        <button
          type="button"
          aria-label={`Try ${file.name} again`}
          data-testid="attachment-retry"
          onClick={() => onRetry(attachment)}
          className="rounded p-1 text-muted-foreground hover:text-foreground"
        >
          <RefreshCw className="size-3.5" />
        </button>
      )}
      <button
        type="button"
        aria-label={`Remove ${file.name}`}
        data-testid="attachment-remove"
        onClick={() => onRemove(attachment)}
        className="rounded p-1 text-muted-foreground hover:text-foreground"
      >
        <X className="size-3.5" />
      </button>
    </li>
  )
}

// Other addresses would reveal to their servers who reads this.
const OWN_FILE =
  /^\/api\/uploads\/attachments\/[^/?#]+$|^data:image\/(png|jpeg|gif|webp|avif);base64,/

/** The files of a message: images as thumbnails of a fixed size, so that nothing moves when they load. */
export function MessageFiles({ parts }: { parts: readonly JsonObject[] }) {
  return (
    <ul aria-label="Files" className="flex flex-wrap gap-2 py-1 empty:hidden">
      {parts.map(({ url, mediaType, filename }, index) => {
        const name = typeof filename === 'string' ? filename : 'File'
        const isShown = typeof url === 'string' && OWN_FILE.test(url)
        const isImage = isShown && /^image\//.test(String(mediaType))
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts never change places
          <li key={index} data-testid="message-file" className="max-w-full">
            <a
              {...(isShown && { href: url })}
              target="_blank"
              rel="noreferrer"
              title={name}
              className="flex overflow-hidden rounded-lg border bg-background text-xs hover:border-accent"
            >
              {isImage ? (
                <img src={url} alt={name} loading="lazy" className="size-32 object-cover" />
              ) : (
                <span className="flex min-w-0 items-center gap-2 px-2.5 py-2">
                  {isShown ? (
                    <FileIcon className="size-4 shrink-0" aria-hidden />
                  ) : (
                    <CircleAlert className="size-4 shrink-0" aria-hidden />
                  )}
                  <span className="truncate font-medium">{name}</span>
                </span>
              )}
            </a>
          </li>
        )
      })}
    </ul>
  )
}
