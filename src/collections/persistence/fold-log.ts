interface Message {
  readonly key?: string
  readonly value?: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, unknown>>
}

/**
 * Folds the log of a shape into one insert per row, so that a log doesn't grow with the number of
 * changes.
 *
 * @param bodies responses of the shape server, oldest first
 * @returns undefined for a log whose rows moved in or out of the shape: which of them remain
 *   depends on the tags of all rows
 */
export function foldLog(bodies: readonly string[]): string | undefined {
  const rows = new Map<string, Message>()
  for (const message of bodies.flatMap((body) => JSON.parse(body) as Message[])) {
    const { key, headers } = message
    const removedTags = headers.removed_tags
    if (headers.event !== undefined) return undefined
    if (Array.isArray(removedTags) && removedTags.length > 0) return undefined
    if (key === undefined) continue
    const known = rows.get(key)
    if (headers.operation === 'delete') rows.delete(key)
    else if (headers.operation === 'insert' || known === undefined) rows.set(key, message)
    else rows.set(key, mergeUpdate(known, message))
  }
  return JSON.stringify([...rows.values()])
}

/** An update has only the changed columns, and always the row's current tags. */
function mergeUpdate(row: Message, update: Message): Message {
  const value = { ...row.value, ...update.value }
  return { ...row, value, headers: { ...row.headers, ...update.headers, operation: 'insert' } }
}

/** Joins responses of one log into one, which ends up to date. */
export function joinLog(bodies: readonly string[]): string {
  const messages = bodies.map((body) => body.trim().slice(1, -1)).filter((text) => text !== '')
  return `[${[...messages, '{"headers":{"control":"up-to-date"}}'].join(',')}]`
}
