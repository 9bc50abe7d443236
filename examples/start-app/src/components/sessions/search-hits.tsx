import type { EventHit, MessageHit } from '@org/session-db/server'
import { Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { Skeleton } from '#/components/screens'
import { Highlighted } from '#/components/ui/highlighted'
import { search } from '#/server/search.functions'

type Answer = { readonly hits: readonly (EventHit | MessageHit)[] } | { readonly failure: string }

/** Matches in the timelines and chats of all sessions. The server searches only what the user may see. */
export function SearchHits({ query }: { query: string }) {
  const [answer, setAnswer] = useState<(Answer & { readonly query: string }) | null>(null)
  useEffect(() => {
    const asking = new AbortController()
    const { signal } = asking
    search({ data: { query, limit: 10 }, signal }).then(
      ({ hits }) => setAnswer({ query, hits }),
      (error: Error) => signal.aborted || setAnswer({ query, failure: error.message }),
    )
    return () => asking.abort()
  }, [query])
  if (answer === null) return <Skeleton rows={2} />
  return (
    <section
      aria-label="Found in sessions"
      data-testid="search-hits"
      aria-busy={answer.query !== query}
      className="mt-4 border-t px-2 pt-3"
    >
      <h3 className="px-2.5 text-xs font-medium text-muted-foreground">In sessions</h3>
      {'failure' in answer ? (
        <p className="px-2.5 py-2 text-xs text-danger">The search failed: {answer.failure}</p>
      ) : answer.hits.length === 0 ? (
        <p className="px-2.5 py-2 text-xs text-muted-foreground">
          Nothing contains all these words.
        </p>
      ) : (
        <ul className="mt-1">
          {answer.hits.map((hit) => (
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
        search={(current) => (hit.source === 'event' ? { ...current, at: hit.seq } : current)}
        className="block truncate text-[13px] font-medium after:absolute after:inset-0 after:rounded-lg focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent"
      >
        {hit.sessionTitle}
      </Link>
      <p className="mt-0.5 line-clamp-2 text-xs break-words text-muted-foreground">
        <Highlighted text={hit.snippet.text} matches={hit.snippet.matches} />
      </p>
    </li>
  )
}
