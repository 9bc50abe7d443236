import { type Comparison, compare, type Goal } from '../harness.ts'
import { directQuery } from './proxied-shapes.ts'
import type { ServerProcess } from './server-process.ts'
import type { ShapeQuery } from './shape-reader.ts'

/** One way to the same shapes. */
export interface Side {
  readonly query: (table: 'small' | 'large' | 'live') => ShapeQuery
  readonly url: (table: 'small' | 'large' | 'live') => string
}

/** Our proxy, our proxy with a larger heap, a process that only pipes bytes, and the engine directly. */
export interface Sides {
  readonly proxied: Side
  readonly withRoom: Side
  readonly bare: Side
  readonly direct: Side
}

/** The shapes by our proxy's URLs. */
export function behindOurs({ url }: ServerProcess): Side {
  return { query: () => ({}), url: (table) => `${url}/shapes/${table}` }
}

/** The shapes by the engine's URLs, directly or through the piping process. */
export function askedDirectly({ url }: ServerProcess): Side {
  return { query: directQuery, url: () => url }
}

/** Our proxy against no proxy, and against one that only pipes bytes. */
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
