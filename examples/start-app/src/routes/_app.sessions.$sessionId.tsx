import { createFileRoute } from '@tanstack/react-router'
import { SessionPage } from '#/components/session-page'

/** What the address says beside the session: everything a reload or a shared link should keep. */
export interface SessionSearch {
  /** The chosen thread; the active one when left out. */
  thread?: string
  /** Which threads the chat lists. */
  mode?: 'general'
  /** Which events the timeline shows. */
  events?: 'messages' | 'tools'
  /** What a small screen shows. */
  view?: 'chat'
}

export const Route = createFileRoute('/_app/sessions/$sessionId')({
  validateSearch: (search): SessionSearch => ({
    ...(typeof search.thread === 'string' && { thread: search.thread }),
    ...(search.mode === 'general' && { mode: search.mode }),
    ...((search.events === 'messages' || search.events === 'tools') && { events: search.events }),
    ...(search.view === 'chat' && { view: search.view }),
  }),
  component: function SessionRoute() {
    const { sessionId } = Route.useParams()
    return <SessionPage key={sessionId} sessionId={sessionId} />
  },
})
