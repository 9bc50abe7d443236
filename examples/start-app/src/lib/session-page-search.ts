import type { TimelineEvent, TimelineFilter } from '@org/session-db'
import { kindNames } from './event-names'

/** The part of the URL about an open session: what reloads and shared links keep. */
export interface SessionPageSearch {
  /** The selected thread. Default: the active one. */
  thread?: string
  /** The listed threads. */
  mode?: 'general'
  /** The pane that a small screen shows. */
  view?: 'chat'
  /** How the timeline is shown. Default: as a conversation. */
  events?: 'all'
  /** The seq of the event to show. */
  at?: number
  kinds?: TimelineEvent['kind'][]
  roles?: string[]
  tools?: string[]
  /** Text to find in the events' title or text. */
  text?: string
}

const texts = (value: unknown) =>
  (Array.isArray(value) ? value : []).filter((text) => typeof text === 'string' && text !== '')

/** Parses the session's part of the URL. Invalid values are dropped. */
export function parseSessionSearch(search: Record<string, unknown>): SessionPageSearch {
  const kinds = texts(search.kinds).filter((kind) => Object.hasOwn(kindNames, kind))
  const [roles, tools] = [texts(search.roles), texts(search.tools)]
  const text = search.text === undefined ? '' : String(search.text)
  return {
    ...(typeof search.thread === 'string' && { thread: search.thread }),
    ...(search.mode === 'general' && { mode: search.mode }),
    ...(search.view === 'chat' && { view: search.view }),
    ...(search.events === 'all' && { events: search.events }),
    ...(Number.isSafeInteger(search.at) && Number(search.at) >= 0 && { at: Number(search.at) }),
    ...(kinds.length > 0 && { kinds }),
    ...(roles.length > 0 && { roles }),
    ...(tools.length > 0 && { tools }),
    ...(text && { text }),
  }
}

/** Clears the filter when spread over a search. */
export const noFilter = { kinds: undefined, roles: undefined, tools: undefined, text: undefined }

/** Returns the filter of a URL, or undefined for all events. */
export function filterOf(search: SessionPageSearch): TimelineFilter | undefined {
  const { kinds, roles, tools, text } = search
  if (!kinds && !roles && !tools && !text) return undefined
  return {
    ...(kinds && { kinds }),
    ...(roles && { roles }),
    ...(tools && { tools }),
    ...(text && { text }),
  }
}
