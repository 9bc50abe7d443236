import { UNKNOWN } from './legacy-path.ts'
import { type Node, nodeAt, nodesAt, textAt } from './syntax-tree.ts'

const MAX_VALUES = 64

/** Nothing is known of a text. */
export const unknown: ReadonlySet<string> = new Set([UNKNOWN])

/** Any of several texts. */
export function union(sets: readonly ReadonlySet<string>[]): ReadonlySet<string> {
  const all = new Set(sets.flatMap((set) => [...set]).slice(0, MAX_VALUES))
  return all.size === 0 ? unknown : all
}

/** One text after the other, in every combination. */
export function joined(sets: readonly ReadonlySet<string>[], between: string): ReadonlySet<string> {
  let texts = ['']
  sets.forEach((set, index) => {
    const next = texts.flatMap((text) =>
      [...set].map((part) => text + (index > 0 ? between : '') + part),
    )
    texts = next.slice(0, MAX_VALUES)
  })
  return new Set(texts)
}

/** A template literal, of the texts of its holes. */
export function template(
  node: Node,
  of: (part: Node) => ReadonlySet<string>,
  form: 'cooked' | 'raw' = 'cooked',
): ReadonlySet<string> {
  const holes = nodesAt(node, 'expressions')
  const parts = nodesAt(node, 'quasis').flatMap((quasi, index) => {
    const cooked: unknown = Reflect.get(Reflect.get(quasi, 'value') as object, form)
    const hole = holes[index]
    return [new Set([typeof cooked === 'string' ? cooked : '']), ...(hole ? [of(hole)] : [])]
  })
  return joined(parts, '')
}

/** `path.format({ dir, base })` or `({ dir, name, ext })`. */
export function formatted(argument: Node, of: (part: Node | undefined) => ReadonlySet<string>) {
  const parts = new Map(
    nodesAt(argument, 'properties').map((entry) => [
      textAt(nodeAt(entry, 'key'), 'name'),
      nodeAt(entry, 'value'),
    ]),
  )
  const dir = parts.get('dir') ?? parts.get('root')
  const base = parts.has('base')
    ? of(parts.get('base'))
    : joined([of(parts.get('name')), of(parts.get('ext'))], '')
  return joined([of(dir), base], '/')
}
