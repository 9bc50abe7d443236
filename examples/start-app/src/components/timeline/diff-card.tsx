import { type DiffLine, type FileDiff, fileDiffs, type TimelineEvent } from '@org/session-db'
import { ChevronRight, FileMinus2, FilePen, FilePlus2 } from 'lucide-react'
import { cn } from '#/lib/cn'
import { count } from '#/lib/format'

const icons = { added: FilePlus2, updated: FilePen, deleted: FileMinus2 }
const names = { added: 'Added', updated: 'Edited', deleted: 'Deleted' }

interface DiffCardsProps {
  event: TimelineEvent
  /** Folder that is left out of paths. */
  root: string | null
  isOpen: boolean
  onToggle: () => void
}

/** The files that an event changed. One switch opens the diffs of all. */
export function DiffCards({ event, root, isOpen, onToggle }: DiffCardsProps) {
  const diffs = fileDiffs(event)
  return (
    <div className="space-y-1.5">
      {diffs.map((diff) => (
        <DiffCard
          key={diff.path}
          diff={diff}
          root={root}
          isOpen={isOpen}
          onToggle={onToggle}
          testId={`diff-${event.seq}`}
        />
      ))}
    </div>
  )
}

interface DiffCardProps extends Omit<DiffCardsProps, 'event'> {
  diff: FileDiff
  testId: string
}

function DiffCard({ diff, root, isOpen, onToggle, testId }: DiffCardProps) {
  const { path, movedTo, change, hunks, linesAdded, linesRemoved, isCut } = diff
  const Icon = icons[change]
  return (
    <div className="overflow-hidden rounded-lg border bg-surface" data-testid={testId}>
      <button
        type="button"
        tabIndex={-1}
        aria-expanded={isOpen}
        onClick={onToggle}
        className="flex w-full items-center gap-2 px-2.5 py-1.5 text-left text-[13px] hover:bg-muted/60"
      >
        <Icon className="size-3.5 shrink-0 text-muted-foreground" aria-hidden />
        <span className="sr-only">{names[change]}</span>
        <code className="min-w-0 flex-1 truncate font-mono text-xs" title={path} dir="ltr">
          {withoutRoot(path, root)}
          {movedTo && ` → ${withoutRoot(movedTo, root)}`}
        </code>
        <span className="shrink-0 font-mono text-xs tabular-nums">
          <span className="text-diff-added">
            +{linesAdded.toLocaleString()}
            <span className="sr-only"> {linesAdded === 1 ? 'line' : 'lines'} added</span>
          </span>{' '}
          <span className="text-danger">
            −{linesRemoved.toLocaleString()}
            <span className="sr-only"> {linesRemoved === 1 ? 'line' : 'lines'} removed</span>
          </span>
        </span>
        <ChevronRight
          className={cn(
            'size-3.5 shrink-0 text-muted-foreground transition-transform',
            isOpen && 'rotate-90',
          )}
          aria-hidden
        />
      </button>
      {isOpen && (
        <div className="border-t py-1 font-mono text-xs leading-5">
          {hunks.map((hunk, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: hunks never change places
            <Hunk key={index} heading={hunk.heading} lines={hunk.lines} isFirst={index === 0} />
          ))}
          {hunks.length === 0 && (
            <p className="px-2.5 text-muted-foreground">The log has no diff of this file.</p>
          )}
          {isCut && (
            <p className="px-2.5 text-muted-foreground">The rest of this diff is in the log.</p>
          )}
        </div>
      )}
    </div>
  )
}

function withoutRoot(path: string, root: string | null): string {
  return root && path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path
}

/** Lines of a hunk that are rendered. */
const MAX_LINES = 400
const marks = { added: '+', removed: '−', same: ' ' }

interface HunkProps {
  heading: string
  lines: readonly DiffLine[]
  isFirst: boolean
}

function Hunk({ heading, lines, isFirst }: HunkProps) {
  return (
    <>
      {!isFirst && (
        <p className="my-1 truncate bg-muted/60 px-2.5 text-muted-foreground">⋯ {heading}</p>
      )}
      {lines.slice(0, MAX_LINES).map((line, index) => (
        <p
          // biome-ignore lint/suspicious/noArrayIndexKey: lines never change places
          key={index}
          className={cn(
            'flex pr-2.5',
            line.type === 'added' && 'bg-diff-added/10',
            line.type === 'removed' && 'bg-danger/10',
          )}
        >
          <span className="w-11 shrink-0 pr-2 text-right text-muted-foreground tabular-nums select-none max-sm:hidden">
            {line.newLine ?? line.oldLine}
          </span>
          <span className="w-5 shrink-0 pl-1.5 text-muted-foreground select-none">
            {marks[line.type]}
          </span>
          <span className="min-w-0 flex-1 break-words whitespace-pre-wrap">{line.text}</span>
        </p>
      ))}
      {lines.length > MAX_LINES && (
        <p className="px-2.5 text-muted-foreground">
          {count(lines.length - MAX_LINES, 'more line')}
        </p>
      )}
    </>
  )
}
