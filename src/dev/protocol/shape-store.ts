import { createPageMemory } from './page-memory.ts'
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
  /** Marks a shape as just used: of those that must go, it goes last. */
  touch(handle: string): void
  all(): Iterable<StoredShape<Definition>>
}

/** A shape with what its log took when it was last measured. */
interface MeasuredShape<Definition extends ShapeDefinition> extends StoredShape<Definition> {
  size: number
  /** What the snapshot alone takes; undefined while it is being taken. */
  snapshotSize: number | undefined
}

/**
 * The changes of a log must take this share of what all logs may take before they cost it its life:
 * else many small logs would start over all the time.
 */
const rotationShare = 1 / 8

/**
 * Creates an empty store.
 *
 * The logs together take at most `maxBytes`, or twice the largest snapshot where that is more, and
 * beside that the snapshots that are being taken. Whenever a log has grown beyond it, shapes expire, and
 * their clients start over with a new snapshot: first those that a new snapshot makes smaller by most,
 * busy as they may be, then those unused for longest.
 *
 * @param options.maxBytes - see above, in the unit of `ShapeLog.size`.
 * @param options.onRemove - called once for every shape that has expired.
 * @example
 * const store = createShapeStore({ chunkBytes: 10_485_760, maxBytes: 2 ** 29, onRemove: () => {} })
 */
export function createShapeStore<Definition extends ShapeDefinition>(options: {
  chunkBytes: number
  maxBytes: number
  onRemove: (shape: StoredShape<Definition>) => void
}): ShapeStore<Definition> {
  const { chunkBytes, maxBytes } = options
  type Shape = MeasuredShape<Definition>
  const byKey = new Map<string, Shape>()
  // A Map keeps insertion order: touching moves a shape to the end, so the front is the least used.
  const byHandle = new Map<string, Shape>()
  const nextHandle = handleFactory()
  const memory = createPageMemory(chunkBytes)
  let total = 0

  function remove(handle: string): boolean {
    const shape = byHandle.get(handle)
    if (!shape) return false
    byHandle.delete(handle)
    if (byKey.get(shape.definition.key) === shape) byKey.delete(shape.definition.key)
    total -= shape.size
    shape.log.expire()
    options.onRemove(shape)
    return true
  }

  function measure(shape: Shape): void {
    const { handle, size } = shape.log
    if (byHandle.get(handle) !== shape) return
    shape.snapshotSize ??= size
    total += size - shape.size
    shape.size = size
    while (total > maxBytes) {
      const victim = mostGrown() ?? leastUsed(shape)
      if (!victim) return
      remove(victim.log.handle)
    }
  }

  /** The log whose changes take most, if it is worth a new snapshot. */
  function mostGrown(): Shape | undefined {
    let most: Shape | undefined
    let mostGrowth = 0
    for (const shape of byHandle.values()) {
      const { size, snapshotSize } = shape
      if (snapshotSize === undefined) continue
      const growth = size - snapshotSize
      if (growth < Math.max(maxBytes * rotationShare, snapshotSize, mostGrowth)) continue
      most = shape
      mostGrowth = growth
    }
    return most
  }

  /** Not one whose snapshot is being taken: two large ones would keep each other from the end. */
  function leastUsed(inUse: Shape): Shape | undefined {
    for (const shape of byHandle.values()) {
      if (shape !== inUse && shape.snapshotSize !== undefined) return shape
    }
    return undefined
  }

  return {
    byKey: (key) => byKey.get(key),
    byHandle: (handle) => byHandle.get(handle),
    create(definition) {
      const handle = nextHandle(definition.key)
      const log = measuredLog(createShapeLog({ handle, chunkBytes, memory }), () => measure(shape))
      const shape: Shape = { definition, log, size: 0, snapshotSize: undefined }
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
    },
    all: () => [...byHandle.values()],
  }
}

/** The log, telling when it has grown: by its snapshot as a whole, then by each transaction. */
function measuredLog(log: ShapeLog, onGrowth: () => void): ShapeLog {
  const telling: Pick<ShapeLog, 'append' | 'endSnapshot'> = {
    append(entries) {
      log.append(entries)
      onGrowth()
    },
    endSnapshot(controlJson) {
      log.endSnapshot(controlJson)
      onGrowth()
    },
  }
  return Object.assign(Object.create(log) as ShapeLog, telling)
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
