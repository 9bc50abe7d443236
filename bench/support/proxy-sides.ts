import { type Comparison, compare, type Goal } from '../harness.ts'
import { directQuery } from './proxied-shapes.ts'
import type { ServerProcess } from './server-process.ts'
import type { ShapeQuery } from './shape-reader.ts'

/** A way to the same shapes. */
export interface Side {
  readonly query: (table: 'small' | 'large' | 'live') => ShapeQuery
  readonly url: (table: 'small' | 'large' | 'live') => string
}

/** Ours, the same with room for its heap, a third process that only passes bytes on, and none at all. */
export interface Sides {
  readonly proxied: Side
  readonly withRoom: Side
  readonly bare: Side
  readonly direct: Side
}

/** The shapes as our proxy names them. */
export function behindOurs({ url }: ServerProcess): Side {
  return { query: () => ({}), url: (table) => `${url}/shapes/${table}` }
}

/** The shapes as the engine is asked for them: by itself, or through a process that passes bytes on. */
export function askedDirectly({ url }: ServerProcess): Side {
  return { query: directQuery, url: () => url }
}

/** Ours against no third process, and against one that only passes bytes on. */
export function againstBoth(
  name: string,
  { proxied, bare, direct }: Readonly<Record<'proxied' | 'bare' | 'direct', number[]>>,
  goal?: Goal,
): Comparison[] {
  const ours = { unit: 'ms', ours: proxied }
  return [
    compare({
      ...ours,
      name,
      reference: direct,
      referenceName: 'the engine itself',
      ...(goal && { goal }),
    }),
    compare({
      ...ours,
      name: `${name}, over a bare proxy`,
      reference: bare,
      referenceName: 'the least proxy Node can be',
    }),
  ]
}
