import { createShapeLog, type ShapeLog } from './shape-log.ts'
import type { ShapeDefinition } from './source.ts'

/** A shape with its log. */
export interface StoredShape<Definition extends ShapeDefinition> {
  readonly definition: Definition
  readonly log: ShapeLog
}

/** The live shapes: at most one per definition, each under a handle that is never reused. */
export interface ShapeStore<Definition extends ShapeDefinition> {
  byKey(key: string): StoredShape<Definition> | undefined
  byHandle(handle: string): StoredShape<Definition> | undefined
  create(definition: Definition): StoredShape<Definition>
  /** Expires a shape and wakes its waiting requests; returns false if the handle is unknown. */
  remove(handle: string): boolean
  /** Marks a shape as used now, so that others are evicted before it. */
  touch(handle: string): void
  all(): Iterable<StoredShape<Definition>>
}

/** A shape with the size of its log at the last measurement. */
interface MeasuredShape<Definition extends ShapeDefinition> extends StoredShape<Definition> {
  size: number
  /** Size of the snapshot alone; undefined while it is being read. */
  snapshotSize: number | undefined
}

/**
 * A log is only evicted for its growth once its changes take this share of `maxBytes`. Without a floor,
 * many small logs would start over all the time.
 */
const MIN_GROWTH_SHARE = 1 / 8

/**
 * Creates an empty store whose logs together take at most `maxBytes`, or twice the largest snapshot if
 * that is more, not counting snapshots in progress.
 *
 * When a log grows beyond the bound, shapes expire and their clients start over with a new, smaller
 * snapshot: first the shapes whose logs have grown most, busy or not, then the least recently used.
 *
 * @param options.maxBytes in the unit of `ShapeLog.size`
 * @param options.onRemove called once for every expired shape
 */
export function createShapeStore<Definition extends ShapeDefinition>(options: {
  chunkBytes: number
  maxBytes: number
  onRemove: (shape: StoredShape<Definition>) => void
}): ShapeStore<Definition> {
  const { chunkBytes, maxBytes } = options
  type Shape = MeasuredShape<Definition>
  const byKey = new Map<string, Shape>()
  // A Map keeps insertion order and `touch` moves a shape to the end: the first is the least recently used.
  const byHandle = new Map<string, Shape>()
  const nextHandle = handleFactory()
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
      const victim = mostGrown() ?? leastRecentlyUsed(shape)
      if (!victim) return
      remove(victim.log.handle)
    }
  }

  function mostGrown(): Shape | undefined {
    let most: Shape | undefined
    let mostGrowth = 0
    for (const shape of byHandle.values()) {
      const { size, snapshotSize } = shape
      if (snapshotSize === undefined) continue
      const growth = size - snapshotSize
      if (growth < Math.max(maxBytes * MIN_GROWTH_SHARE, snapshotSize, mostGrowth)) continue
      most = shape
      mostGrowth = growth
    }
    return most
  }

  /** Skips shapes whose snapshot is being read: two large ones would keep evicting each other. */
  function leastRecentlyUsed(growing: Shape): Shape | undefined {
    for (const shape of byHandle.values()) {
      if (shape !== growing && shape.snapshotSize !== undefined) return shape
    }
    return undefined
  }

  return {
    byKey: (key) => byKey.get(key),
    byHandle: (handle) => byHandle.get(handle),
    create(definition) {
      const handle = nextHandle(definition.key)
      const log = measuredLog(createShapeLog({ handle, chunkBytes }), () => measure(shape))
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

/** Wraps a log to report its growth: once for the whole snapshot, then for every transaction. */
function measuredLog(log: ShapeLog, onGrowth: () => void): ShapeLog {
  const measured: Pick<ShapeLog, 'append' | 'endSnapshot'> = {
    append(entries) {
      log.append(entries)
      onGrowth()
    },
    endSnapshot(controlJson) {
      log.endSnapshot(controlJson)
      onGrowth()
    },
  }
  return Object.assign(Object.create(log) as ShapeLog, measured)
}

/** Handles look like the engine's: a hash of the definition, then increasing microseconds. */
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
