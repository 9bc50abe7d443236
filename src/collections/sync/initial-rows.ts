import type { ShapeRows } from '../../shapes/shape-rows.ts'
import { describeShape, type InitialRows } from './stream-options.ts'
import type { SyncParams } from './streamed-messages.ts'

/** Creates the initial rows of one `createSessionCollections`. */
export function createInitialRows(given: readonly ShapeRows[], isServer: boolean): InitialRows {
  const rowsOf = new Map(given.map((each) => [describeShape(each), each.rows]))
  return {
    isServer,
    startsWhenRead: (source) => isServer || rowsOf.has(describeShape(source)),
    take(source) {
      const shape = describeShape(source)
      const rows = rowsOf.get(shape)
      if (!isServer) rowsOf.delete(shape)
      return rows
    },
  }
}

interface Page {
  readonly location?: unknown
}

/** Returns true where a relative URL has nothing to be resolved against: a page rendered on a server. */
export function isServerOf(electricUrl: string): boolean {
  const isAbsolute = /^[a-z][a-z0-9+.-]*:\/\//i.test(electricUrl)
  return !isAbsolute && (globalThis as Page).location === undefined
}

/**
 * Shows rows before the stream has any. The stream's first transaction replaces them.
 *
 * @returns the functions that the stream writes with
 */
export function showInitialRows(params: SyncParams, rows: readonly object[]): SyncParams {
  params.begin()
  for (const value of rows) {
    params.write({ type: 'insert', value: value as Record<string, unknown> })
  }
  params.commit()
  params.markReady()
  let isFirst = true
  return {
    ...params,
    // The newest TanStack DB has no options here.
    begin(...options: Parameters<SyncParams['begin']>) {
      params.begin(...options)
      if (isFirst) params.truncate()
      isFirst = false
    },
  }
}
