import { toWhereClause } from '../access/condition.ts'
import { withinTenant } from '../access/within-tenant.ts'
import { createShapeProtocol } from '../dev/protocol/protocol.ts'
import { errorResponse, toResponse } from '../dev/protocol/responses.ts'
import { createShapeStore, type ShapeStore } from '../dev/protocol/shape-store.ts'
import type { ShapeParams } from '../dev/protocol/source.ts'
import type { Principal } from '../schema/principal.ts'
import type { AnyShape, ShapeRegistry } from '../shapes/define-shape.ts'
import {
  createMemoryShapes,
  type MemoryShape,
  type MemoryShapes,
  type NamedCondition,
} from './memory-shapes.ts'
import type { OpenRequest } from './requests.ts'
import type { RowSource } from './row-source.ts'

/** The shape engine behind the proxy. */
export interface Engine<P extends Principal> {
  /** The registry for the proxy. It records the condition behind each where clause for the engine. */
  readonly registry: ShapeRegistry<P>
  readonly shapes: MemoryShapes
  /** Returns the `fetch` that serves one request of the proxy. */
  fetchFor(open: OpenRequest): typeof fetch
  /** Expires the shapes of a name (all if undefined), so that their clients get a 409 and refetch. */
  expire(shape: string | undefined): void
  isRetired(handle: string): boolean
  /** Expires all shapes and retires their handles. */
  retire(): void
}

const SSE_KEEP_ALIVE_MS = 21_000
const SSE_DURATION_MS = 60_000
const CHUNK_BYTES = 10_485_760
const MAX_BYTES = 2 ** 28

/**
 * Creates the engine over rows in memory.
 *
 * @param options.salt makes its handles different from those of other engines
 * @example
 * const engine = createEngine(database, { registry: sessionShapes, longPollMs: 20_000, salt: 'a' })
 */
export function createEngine<P extends Principal>(
  source: RowSource,
  options: {
    readonly registry: ShapeRegistry<P>
    readonly longPollMs: number
    readonly salt: string
  },
): Engine<P> {
  const asked = new Map<string, NamedCondition>()
  const retired = new Set<string>()

  const shapes = createMemoryShapes(source, {
    salt: options.salt,
    conditionOf: (params) => asked.get(identity(params)),
  })
  const store: ShapeStore<MemoryShape> = createShapeStore<MemoryShape>({
    chunkBytes: CHUNK_BYTES,
    maxBytes: MAX_BYTES,
    onRemove: ({ log }) => shapes.close(log),
  })
  const answer = createShapeProtocol(shapes, store, {
    longPollMs: options.longPollMs,
    sseKeepAliveMs: SSE_KEEP_ALIVE_MS,
    sseDurationMs: SSE_DURATION_MS,
    subsetLingerMs: 0,
    secret: undefined,
    allowShapeDeletion: false,
    onError: (error) => console.error('The shape mock failed; please report this.', error),
  })

  function listening(name: string, definition: AnyShape<P>): AnyShape<P> {
    return {
      ...definition,
      rows(principal, params) {
        const given = definition.rows(principal, params)
        const condition = withinTenant(given, principal.tenantId, definition.tenantColumn)
        const { where, params: values } = toWhereClause(condition)
        asked.set(identity({ table: definition.table, where, params: values }), { name, condition })
        return condition
      },
    }
  }

  return {
    registry: Object.fromEntries(
      Object.entries(options.registry).map(([name, shape]) => [name, listening(name, shape)]),
    ),
    shapes,
    fetchFor: (open) => async (input, init) => {
      const { method = 'GET', headers } = init ?? {}
      if (open.interruption?.status === 503) {
        const context = { method, origin: null }
        const message = 'The replication stream is not running yet'
        const { retryAfterSeconds } = open.interruption
        return toResponse(errorResponse(context, 503, { message }, retryAfterSeconds))
      }
      const request = new Request(String(input), { method, ...(headers ? { headers } : {}) })
      // The Request constructor requires a signal of its own realm, which jsdom's isn't.
      Object.defineProperty(request, 'signal', { value: open.signal })
      return toResponse(await answer(request))
    },
    expire(shape) {
      for (const { definition, log } of store.all()) {
        if (shape === undefined || definition.name === shape) store.remove(log.handle)
      }
    },
    isRetired: (handle) => retired.has(handle),
    retire() {
      for (const { log } of store.all()) {
        retired.add(log.handle)
        store.remove(log.handle)
      }
      asked.clear()
    },
  }
}

/** Returns the key that a where clause and its parameters are recorded under. */
function identity({ table, where, params }: Pick<ShapeParams, 'table' | 'where' | 'params'>) {
  return JSON.stringify([table, where, params])
}
