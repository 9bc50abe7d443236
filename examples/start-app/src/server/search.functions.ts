import type { OutlineRequest, SessionSearch } from '@org/session-db/server'
import { createServerFn } from '@tanstack/react-start'
import { store } from './session-db.server'
import { signedIn } from './signed-in'

// Queries for what is not in the browser. The store validates the input.

/** Searches the events and messages of all sessions that the user may see, best matches first. */
export const search = createServerFn()
  .middleware([signedIn])
  .validator((search: SessionSearch) => search)
  .handler(({ data: search, context }) => store.search(context.principal, search))

/** Returns the positions of a session's events that match a filter. */
export const outlineTimeline = createServerFn()
  .middleware([signedIn])
  .validator((request: OutlineRequest) => request)
  .handler(({ data: request, context }) => store.outlineTimeline(context.principal, request))

/** Returns the available filter values of a session's events. */
export const timelineFacets = createServerFn()
  .middleware([signedIn])
  .validator((sessionId: string) => sessionId)
  .handler(({ data: sessionId, context }) => store.timelineFacets(context.principal, sessionId))
