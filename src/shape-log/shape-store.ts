import { createShapeLog, type ShapeLog } from './shape-log.ts'
import type { ShapeDefinition } from './source.ts'

/** A shape with its log. */
export interface StoredShape<Definition extends ShapeDefinition> {
  readonly definition: Definition
  readonly log: ShapeLog
}

/** The living shapes: at most one per definition, each under a handle that is never used again. */
export interface ShapeStore<Definition extends ShapeDefinition> {
  byKey(key: string): StoredShape<Definition> | undefined
  byHandle(handle: string): StoredShape<Definition> | undefined
  create(definition: Definition): StoredShape<Definition>
  /** Expires a shape: its waiting clients are told, its handle is dead. */
  remove(handle: string): boolean
  /** Marks a shape as just used, and expires others where memory is short. */
  touch(handle: string): void
  /** Expires the shapes unused for longest while the logs take more than they may. */
  enforceLimit(): void
  all(): Iterable<StoredShape<Definition>>
}

/**
 * Creates an empty store.
 *
 * @param options.maxBytes - characters all logs may hold together; beyond it the shapes
 * unused for longest expire, and their clients start over with a new snapshot.
 * @param options.onRemove - called once for every shape that has expired.
 * @example
 * const store = createShapeStore({ chunkBytes: 10_485_760, maxBytes: 2 ** 29, onRemove: () => {} })
 */
export function createShapeStore<Definition extends ShapeDefinition>(options: {
  chunkBytes: number
  maxBytes: number
  onRemove: (shape: StoredShape<Definition>) => void
}): ShapeStore<Definition> {
  const byKey = new Map<string, StoredShape<Definition>>()
  // A Map keeps insertion order: touching moves a shape to the end, so the front is the least used.
  const byHandle = new Map<string, StoredShape<Definition>>()
  const nextHandle = handleFactory()

  function remove(handle: string): boolean {
    const shape = byHandle.get(handle)
    if (!shape) return false
    byHandle.delete(handle)
    if (byKey.get(shape.definition.key) === shape) byKey.delete(shape.definition.key)
    shape.log.expire()
    options.onRemove(shape)
    return true
  }

  function enforceLimit(keep?: string) {
    let total = 0
    for (const shape of byHandle.values()) total += shape.log.size
    for (const handle of [...byHandle.keys()]) {
      if (total <= options.maxBytes) return
      const shape = byHandle.get(handle)
      if (!shape || handle === keep) continue
      total -= shape.log.size
      remove(handle)
    }
  }

  return {
    byKey: (key) => byKey.get(key),
    byHandle: (handle) => byHandle.get(handle),
    create(definition) {
      const handle = nextHandle(definition.key)
      const shape = { definition, log: createShapeLog({ handle, chunkBytes: options.chunkBytes }) }
      byKey.set(definition.key, shape)
      byHandle.set(handle, shape)
      return shape
    },
    remove,
    touch(handle) {
      const shape = byHandle.get(handle)
      if (!shape) return
      byHandle.delete(handle)
      byHandle.set(handle, shape)
      enforceLimit(handle)
    },
    enforceLimit: () => enforceLimit(),
    all: () => [...byHandle.values()],
  }
}

/** Handles look like the engine's: digits of the definition, then microseconds that only grow. */
function handleFactory(): (key: string) => string {
  let last = 0
  return (key) => {
    last = Math.max(Date.now() * 1000, last + 1)
    return `${hash(key)}-${last}`
  }
}

function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  }
  return value >>> 0
}
