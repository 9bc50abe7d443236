/** A node of Babel's syntax tree, read by field name: a guard needs few fields of many node types. */
export interface Node {
  readonly type: string
  readonly loc?: { readonly start: { readonly line: number; readonly column: number } } | null
}

const NOT_CHILDREN = new Set([
  'loc',
  'extra',
  'leadingComments',
  'trailingComments',
  'innerComments',
])

export function isNode(value: unknown): value is Node {
  return (
    typeof value === 'object' && value !== null && typeof Reflect.get(value, 'type') === 'string'
  )
}

export function nodeAt(node: Node | undefined, field: string): Node | undefined {
  const value: unknown = node && Reflect.get(node, field)
  return isNode(value) ? value : undefined
}

export function nodesAt(node: Node | undefined, field: string): readonly Node[] {
  const value: unknown = node && Reflect.get(node, field)
  return Array.isArray(value) ? value.filter(isNode) : []
}

export function textAt(node: Node | undefined, field: string): string | undefined {
  const value: unknown = node && Reflect.get(node, field)
  return typeof value === 'string' ? value : undefined
}

export function childrenOf(node: Node): readonly Node[] {
  return Object.entries(node).flatMap(([field, value]) => {
    if (NOT_CHILDREN.has(field)) return []
    return Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : []
  })
}

/** What a function may return: the expressions of its own `return`s. */
export function returnsOf(definition: Node): readonly Node[] {
  const body = nodeAt(definition, 'body')
  if (body === undefined) return []
  if (body.type !== 'BlockStatement') return [body]
  const found: Node[] = []
  const visit = (node: Node): void => {
    if (/Function|ClassMethod|ObjectMethod/.test(node.type)) return
    const argument = node.type === 'ReturnStatement' ? nodeAt(node, 'argument') : undefined
    if (argument) found.push(argument)
    for (const child of childrenOf(node)) visit(child)
  }
  visit(body)
  return found
}
