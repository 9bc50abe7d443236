import type { EventSearch, OutlineRequest } from '@org/session-db/server'
import { createServerFn } from '@tanstack/react-start'
import { store } from './session-db.server'
import { signedIn } from './signed-in'

// What is not in the browser is asked of the server. The store checks what it is given.

/** Events in all sessions that the user may see, by their words, the best first. */
export const searchEvents = createServerFn()
  .middleware([signedIn])
  .validator((search: EventSearch) => search)
  .handler(({ data: search, context }) => store.searchEvents(context.principal, search))

/** Where in a session the events are that pass a filter. */
export const outlineTimeline = createServerFn()
  .middleware([signedIn])
  .validator((request: OutlineRequest) => request)
  .handler(({ data: request, context }) => store.outlineTimeline(context.principal, request))

/** What a session's events can be filtered by. */
export const timelineFacets = createServerFn()
  .middleware([signedIn])
  .validator((sessionId: string) => sessionId)
  .handler(({ data: sessionId, context }) => store.timelineFacets(context.principal, sessionId))
