import { CircleAlert, FileUp, RefreshCw, X } from 'lucide-react'
import { Button } from '#/components/ui/button'
import { Progress } from '#/components/ui/progress'
import { bytes } from '#/lib/format'
import { type UploadEntry, useUploads } from './uploads'

/** Running and failed uploads. */
export function UploadList() {
  const { entries } = useUploads()
  return (
    <ul
      aria-label="Uploads"
      className="max-h-48 shrink-0 space-y-2 overflow-y-auto border-y bg-muted/40 p-3 empty:hidden"
    >
      {entries.map((entry) => (
        <UploadItem key={entry.id} entry={entry} />
      ))}
    </ul>
  )
}

function UploadItem({ entry }: { entry: UploadEntry }) {
  const { retry, cancel } = useUploads()
  const { file, progress, failure } = entry
  const Icon = failure ? CircleAlert : FileUp
  const done =
    progress && progress.totalBytes > 0 ? progress.uploadedBytes / progress.totalBytes : 0
  return (
    <li data-testid="upload-entry" data-failed={failure !== null || undefined} className="text-xs">
      <div className="flex items-center gap-2">
        <Icon className={failure ? 'size-4 text-danger' : 'size-4 text-accent-text'} aria-hidden />
        <span className="min-w-0 flex-1 truncate font-medium">{file.name}</span>
        {failure && (
          <Button
            variant="ghost"
            size="icon"
            aria-label={`Try ${file.name} again`}
            data-testid="upload-retry"
            onClick={() => retry(entry)}
          >
            <RefreshCw />
          </Button>
        )}
        <Button
          variant="ghost"
          size="icon"
          aria-label={failure ? `Dismiss ${file.name}` : `Cancel the upload of ${file.name}`}
          data-testid="upload-cancel"
          onClick={() => cancel(entry)}
        >
          <X />
        </Button>
      </div>
      {failure ? (
        <p role="alert" className="break-words text-danger">
          {failure}
        </p>
      ) : (
        <>
          <Progress label={`Upload of ${file.name}`} value={done} />
          <p className="mt-1 text-muted-foreground">
            {progress?.retrying
              ? 'The connection was lost. Retrying …'
              : `${bytes(progress?.uploadedBytes ?? 0)} of ${bytes(file.size)}`}
          </p>
        </>
      )}
    </li>
  )
}
