/** A row with its tags. */
interface Held {
  value: Record<string, string | null>
  tags: string[][]
  active: boolean[]
}

interface Message {
  readonly key: string
  readonly value: Record<string, string | null>
  readonly headers: {
    readonly operation?: 'insert' | 'update' | 'delete'
    readonly control?: string
    readonly event?: 'move-in' | 'move-out'
    readonly patterns?: readonly { pos: number; value: string }[]
    readonly tags?: readonly string[]
    readonly active_conditions?: readonly boolean[]
    readonly global_last_seen_lsn?: string
  }
}

/** A strict client: a message that it cannot apply is an error. */
export interface MaterializedClient {
  readonly rows: ReadonlyMap<string, Held>
  /** Number of times it had to start over. */
  readonly refetches: number
  /** Reads until the server is up to date at or after `lsn`. */
  sync(lsn: bigint): Promise<void>
  /** Makes one request. */
  poll(): Promise<bigint | undefined>
}

/**
 * Creates a client of one shape.
 *
 * @param fetch answers requests for `/v1/shape`
 */
export function createMaterializedClient(
  fetch: (request: Request) => Promise<Response>,
  params: Record<string, string>,
): MaterializedClient {
  let rows = new Map<string, Held>()
  let handle: string | undefined
  let offset = '-1'
  let refetches = 0

  function apply(message: Message): void {
    const { headers, key } = message
    if (headers.event) {
      move(headers.event, headers.patterns ?? [])
      return
    }
    const held = rows.get(key)
    switch (headers.operation) {
      case 'insert':
        if (held) throw new Error(`insert of ${key}, which is there already`)
        rows.set(key, { value: { ...message.value }, ...tagsOf(message) })
        return
      case 'update':
        if (!held) throw new Error(`update of ${key}, which is not there`)
        rows.set(key, { value: { ...held.value, ...message.value }, ...tagsOf(message) })
        return
      case 'delete':
        if (!held) throw new Error(`delete of ${key}, which is not there`)
        rows.delete(key)
        return
      default:
        if (!headers.control) throw new Error(`unknown message ${JSON.stringify(message)}`)
    }
  }

  function move(
    event: 'move-in' | 'move-out',
    patterns: readonly { pos: number; value: string }[],
  ): void {
    for (const [key, held] of rows) {
      for (const { pos, value } of patterns) {
        if (held.tags.some((tag) => tag[pos] === value)) held.active[pos] = event === 'move-in'
      }
      const visible = held.tags.some((tag) =>
        tag.every((part, pos) => part === '' || held.active[pos]),
      )
      if (held.tags.length > 0 && !visible) rows.delete(key)
    }
  }

  async function poll(): Promise<bigint | undefined> {
    const url = new URL('http://shapes/v1/shape')
    for (const [name, value] of Object.entries({ ...params, offset })) {
      url.searchParams.set(name, value)
    }
    if (handle !== undefined && offset !== '-1') url.searchParams.set('handle', handle)
    const response = await fetch(new Request(url))
    if (response.status === 409) {
      refetches += 1
      rows = new Map()
      handle = undefined
      offset = '-1'
      return undefined
    }
    const messages = (await response.json()) as Message[]
    if (response.status !== 200) throw new Error(JSON.stringify(messages))
    handle = response.headers.get('electric-handle') ?? undefined
    offset = response.headers.get('electric-offset') ?? '-1'
    for (const message of messages) apply(message)
    const seen = messages.at(-1)?.headers.global_last_seen_lsn
    return seen === undefined ? undefined : BigInt(seen)
  }

  return {
    get rows() {
      return rows
    },
    get refetches() {
      return refetches
    },
    poll,
    async sync(lsn) {
      const deadline = Date.now() + 30_000
      for (;;) {
        const seen = await poll()
        if (seen !== undefined && seen >= lsn) return
        if (Date.now() > deadline) throw new Error(`not up to date at ${lsn}, but at ${seen}`)
        if (seen !== undefined) await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}

function tagsOf(message: Message): { tags: string[][]; active: boolean[] } {
  return {
    tags: (message.headers.tags ?? []).map((tag) => tag.split('/')),
    active: [...(message.headers.active_conditions ?? [])],
  }
}
