import type { EventHit, MessageHit } from '@org/session-db/server'
import { Link } from '@tanstack/react-router'
import { RefreshCw } from 'lucide-react'
import { Skeleton } from '#/components/screens'
import { Button } from '#/components/ui/button'
import { Highlighted } from '#/components/ui/highlighted'
import { placeOf, type useHits } from './use-hits'

interface SearchHitsProps {
  answer: ReturnType<typeof useHits>
}

/** Matches in the timelines and chats of all sessions. The server searches only what the user may see. */
export function SearchHits({
  answer: { hits, count, isPartial, failure, isCurrent, retry },
}: SearchHitsProps) {
  if (!isCurrent && hits.length === 0) return <Skeleton rows={2} />
  return (
    <section
      aria-label="Found in sessions"
      data-testid="search-hits"
      aria-busy={!isCurrent}
      className="mt-4 border-t px-2 pt-3"
    >
      <h3 className="flex justify-between gap-2 px-2.5 text-xs font-medium text-muted-foreground">
        In sessions
        <span className="font-normal tabular-nums" role="status">
          {failure === null && `${isPartial ? '≥ ' : ''}${count.toLocaleString()}`}
        </span>
      </h3>
      {failure !== null ? (
        <div className="px-2.5 py-2 text-xs">
          <p role="alert" className="text-danger">
            The search failed: {failure}
          </p>
          <Button size="sm" className="mt-2" data-testid="search-again" onClick={retry}>
            <RefreshCw /> Search again
          </Button>
        </div>
      ) : hits.length === 0 ? (
        <p className="px-2.5 py-2 text-xs text-muted-foreground">
          Nothing contains all these words.
        </p>
      ) : (
        <ul className="mt-1">
          {hits.map((hit) => (
            <Hit key={`${hit.source}:${hit.id}`} hit={hit} />
          ))}
        </ul>
      )}
    </section>
  )
}

function Hit({ hit }: { hit: EventHit | MessageHit }) {
  return (
    <li className="relative rounded-lg px-2.5 py-2 hover:bg-muted">
      <Link
        to="/sessions/$sessionId"
        params={{ sessionId: hit.sessionId }}
        search={(current) => ({ ...current, ...placeOf(hit) })}
        className="block truncate text-[13px] font-medium after:absolute after:inset-0 after:rounded-lg focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent"
      >
        {hit.sessionTitle}
      </Link>
      <p className="mt-0.5 line-clamp-3 text-xs break-words text-muted-foreground">
        <Highlighted text={hit.snippet.text} matches={hit.snippet.matches} />
      </p>
    </li>
  )
}
