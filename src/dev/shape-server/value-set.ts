import type { RowText } from '../protocol/messages.ts'
import type { TableInfo } from './catalog.ts'
import type { Truth } from './where/condition.ts'

/** The net change of a set of values. */
export interface ValueDelta {
  readonly added: ReadonlySet<string>
  readonly removed: ReadonlySet<string>
  /** True if the set gained its first null or lost its last; then `NOT IN` changes for every row. */
  readonly hasNullChanged: boolean
  /** Set when the set became empty or stopped being empty; then `NOT IN` changes for rows with a null. */
  readonly emptiness: 'same' | 'now-empty' | 'now-filled'
}

/** The values of a subquery at a point of the stream, each with the number of rows that have it. */
export interface ValueSet {
  has(value: string): boolean
  readonly values: Iterable<string>
  readonly hasNull: boolean
  /** Returns SQL's `value IN (set)`. */
  contains(value: string | null): Truth
  add(value: string | null): void
  remove(value: string | null): void
  /** Returns the net change since the last call. */
  takeDelta(): ValueDelta
}

/**
 * Creates an empty set.
 *
 * @example
 * const set = createValueSet()
 * set.add('["s1"]')
 * set.takeDelta().added // Set { '["s1"]' }
 */
export function createValueSet(): ValueSet {
  const counts = new Map<string, number>()
  let touched = new Map<string, boolean>()
  let nulls = 0
  let before = { hasNull: false, isEmpty: true }

  function change(value: string | null, step: 1 | -1) {
    if (value === null) {
      nulls += step
      return
    }
    const count = counts.get(value) ?? 0
    if (!touched.has(value)) touched.set(value, count > 0)
    if (count + step > 0) counts.set(value, count + step)
    else counts.delete(value)
  }

  return {
    has: (value) => counts.has(value),
    get values() {
      return counts.keys()
    },
    get hasNull() {
      return nulls > 0
    },
    contains(value) {
      const isEmpty = counts.size === 0 && nulls === 0
      if (isEmpty) return false
      if (value === null) return null
      if (counts.has(value)) return true
      return nulls > 0 ? null : false
    },
    add: (value) => change(value, 1),
    remove: (value) => change(value, -1),
    takeDelta() {
      const added = new Set<string>()
      const removed = new Set<string>()
      for (const [value, was] of touched) {
        const is = counts.has(value)
        if (is && !was) added.add(value)
        if (was && !is) removed.add(value)
      }
      touched = new Map()
      const now = { hasNull: nulls > 0, isEmpty: counts.size === 0 && nulls === 0 }
      const hasNullChanged = now.hasNull !== before.hasNull
      let emptiness: ValueDelta['emptiness'] = 'same'
      if (now.isEmpty !== before.isEmpty) emptiness = now.isEmpty ? 'now-empty' : 'now-filled'
      before = now
      return { added, removed, hasNullChanged, emptiness }
    },
  }
}

/** Returns a row's value in some columns as a JSON text. Equal values give equal texts. */
export type ValueReader = (row: RowText) => string | null

/**
 * Creates a reader of the given columns. It returns null if any of them is null, because such a row equals
 * nothing.
 */
export function valueReader(table: TableInfo, columns: readonly string[]): ValueReader {
  const normals = columns.map((name) => {
    const type = table.columns.find((column) => column.name === name)?.type ?? ''
    return normalOf(type)
  })
  return (row) => {
    const parts: string[] = []
    for (const [i, name] of columns.entries()) {
      const text = row[name] ?? null
      if (text === null) return null
      parts.push((normals[i] as (text: string) => string)(text))
    }
    return JSON.stringify(parts)
  }
}

/** Returns the texts of a value's columns. */
export function valueParts(value: string): string[] {
  return JSON.parse(value) as string[]
}

/** Returns the normal form of a type's texts: some types print equal values in several ways. */
function normalOf(type: string): (text: string) => string {
  if (type === 'numeric') {
    return (text) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text)
  }
  if (type === 'bpchar') return (text) => text.trimEnd()
  return (text) => text
}
