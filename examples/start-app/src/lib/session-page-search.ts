import type { TimelineEvent, TimelineFilter } from '@org/session-db'
import { kindNames } from './event-names'

/** What the address says of an open session: everything a reload or a shared link should keep. */
export interface SessionPageSearch {
  /** The chosen thread; the active one when left out. */
  thread?: string
  /** Which threads the chat lists. */
  mode?: 'general'
  /** What a small screen shows. */
  view?: 'chat'
  /** The event to show, by its seq. */
  at?: number
  kinds?: TimelineEvent['kind'][]
  roles?: string[]
  tools?: string[]
  /** Part of the events' title or text. */
  text?: string
}

const texts = (value: unknown) =>
  (Array.isArray(value) ? value : []).filter((text) => typeof text === 'string' && text !== '')

/** Reads the session's part of an address; what makes no sense is left out. */
export function parseSessionSearch(search: Record<string, unknown>): SessionPageSearch {
  const kinds = texts(search.kinds).filter((kind) => Object.hasOwn(kindNames, kind))
  const [roles, tools] = [texts(search.roles), texts(search.tools)]
  const text = search.text === undefined ? '' : String(search.text)
  return {
    ...(typeof search.thread === 'string' && { thread: search.thread }),
    ...(search.mode === 'general' && { mode: search.mode }),
    ...(search.view === 'chat' && { view: search.view }),
    ...(Number.isSafeInteger(search.at) && Number(search.at) >= 0 && { at: Number(search.at) }),
    ...(kinds.length > 0 && { kinds }),
    ...(roles.length > 0 && { roles }),
    ...(tools.length > 0 && { tools }),
    ...(text && { text }),
  }
}

/** No filter: to spread over what an address says. */
export const noFilter = { kinds: undefined, roles: undefined, tools: undefined, text: undefined }

/** The filter that an address asks for; undefined when it asks for all events. */
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
