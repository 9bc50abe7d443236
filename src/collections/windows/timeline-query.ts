import {
  BasicIndex,
  gte,
  type InitialQueryBuilder,
  ilike,
  inArray,
  isNull,
  lt,
  or,
} from '@tanstack/db'
import {
  containsPattern,
  type TimelineEvent,
  type TimelineFilter,
} from '../../schema/timeline-event.ts'
import type { RowCollection } from '../sync/synced-collection.ts'

type Filtered = 'kind' | 'role' | 'toolName'

const indexed = new WeakMap<object, Set<Filtered>>()

/** `inArray` conditions get no index by themselves; one is created when a filter first needs it. */
function ensureIndex(timeline: RowCollection<TimelineEvent>, field: Filtered): void {
  const fields = indexed.get(timeline) ?? new Set()
  indexed.set(timeline, fields)
  if (fields.has(field)) return
  fields.add(field)
  timeline.createIndex((event) => event[field], { indexType: BasicIndex })
}

/**
 * Creates the live query of a timeline's events that match a filter, in the order of the session.
 *
 * @example
 * useLiveQuery(timelineQuery(db.session(id).timeline, { kinds: ['tool_call'] }), [id])
 */
export function timelineQuery(timeline: RowCollection<TimelineEvent>, filter: TimelineFilter = {}) {
  const { kinds, roles, tools, from, until, text, folded, agents } = filter
  if (kinds) ensureIndex(timeline, 'kind')
  if (roles) ensureIndex(timeline, 'role')
  if (tools) ensureIndex(timeline, 'toolName')
  return (q: InitialQueryBuilder) => {
    let query = q.from({ event: timeline })
    if (kinds) query = query.where(({ event }) => inArray(event.kind, [...kinds]))
    if (roles) query = query.where(({ event }) => inArray(event.role, [...roles]))
    if (tools) query = query.where(({ event }) => inArray(event.toolName, [...tools]))
    if (from) query = query.where(({ event }) => gte(event.occurredAt, from))
    if (until) query = query.where(({ event }) => lt(event.occurredAt, until))
    if (folded === false) query = query.where(({ event }) => isNull(event.fold))
    if (agents === false) query = query.fn.where(({ event }) => event.data.sidechain !== true)
    if (text) {
      const pattern = containsPattern(text)
      query = query.where(({ event }) =>
        or(ilike(event.title, pattern), ilike(event.text, pattern)),
      )
    }
    return query.orderBy(({ event }) => event.seq)
  }
}
