import type { EventHit, MessageHit } from '@org/session-db/server'
import { useCallback, useEffect, useState } from 'react'
import { search } from '#/server/search.functions'

/** How long typing has to pause before the server is asked, in ms. */
const PAUSE_MS = 150
const MAX_HITS = 10

interface Answer {
  readonly query: string
  readonly hits: readonly (EventHit | MessageHit)[]
  readonly count: number
  /** True if there may be more matches than counted. */
  readonly isPartial: boolean
  readonly failure: string | null
}

const nothing: Answer = { query: '', hits: [], count: 0, isPartial: false, failure: null }

/**
 * Finds events and chat messages of all sessions that the user may see. While the server is asked, the last
 * answer stays, and `isCurrent` is false.
 */
export function useHits(
  query: string,
): Answer & { readonly isCurrent: boolean; readonly retry: () => void } {
  const [attempt, setAttempt] = useState(0)
  const retry = useCallback(() => setAttempt((before) => before + 1), [])
  const [answer, setAnswer] = useState<Answer>(nothing)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt asks again
  useEffect(() => {
    if (query === '') return setAnswer(nothing)
    const asking = new AbortController()
    const { signal } = asking
    const timer = setTimeout(() => {
      search({ data: { query, limit: MAX_HITS }, signal }).then(
        ({ hits, facets, isPartial }) => {
          const count = facets.sources.reduce((sum, source) => sum + source.count, 0)
          setAnswer({ query, hits, count, isPartial, failure: null })
        },
        (error: Error) =>
          signal.aborted || setAnswer({ ...nothing, query, failure: error.message }),
      )
    }, PAUSE_MS)
    return () => {
      clearTimeout(timer)
      asking.abort()
    }
  }, [query, attempt])
  return { ...answer, isCurrent: answer.query === query, retry }
}

/** The part of a session's page that shows a hit. */
export function placeOf(hit: EventHit | MessageHit) {
  return hit.source === 'event' ? { at: hit.seq } : { thread: hit.threadId, view: 'chat' as const }
}
