/** A node of the parser's tree: one key, the node's type, over its fields. */
export type PgNode = Readonly<Record<string, PgFields>>

/** The fields of a node; defaults (0, false, empty) are left out by the parser. */
export type PgFields = Readonly<Record<string, unknown>>

/** Type and fields of a node. */
export function openNode(node: unknown): [type: string, fields: PgFields] {
  const [entry] = Object.entries(node as PgNode)
  if (!entry) throw new Error('the parser returned an empty node')
  return entry
}

/** A list of nodes, empty when left out. */
export function nodeList(value: unknown): readonly PgNode[] {
  return (value as readonly PgNode[] | undefined) ?? []
}

/** Byte position of a node in the parsed text, 0 when left out. */
export function locationOf(fields: PgFields): number {
  return Math.max((fields.location as number | undefined) ?? 0, 0)
}

/** The text of a `String` node. */
export function stringOf(node: unknown): string {
  const [, fields] = openNode(node)
  return (fields.sval as string | undefined) ?? ''
}

/** Calls `visit` for every node of a type below `root`, in the order of the text's tree. */
export function visitNodes(root: unknown, type: string, visit: (fields: PgFields) => void): void {
  if (Array.isArray(root)) {
    for (const item of root) visitNodes(item, type, visit)
  } else if (typeof root === 'object' && root !== null) {
    for (const [key, value] of Object.entries(root)) {
      if (key === type) visit(value as PgFields)
      else visitNodes(value, type, visit)
    }
  }
}
