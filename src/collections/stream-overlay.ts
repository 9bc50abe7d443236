import type { SyncConfig } from '@tanstack/db'
import type { StreamOptions } from './electric.ts'
import { createPart, loadPatiently } from './part.ts'

type SyncParams = Parameters<SyncConfig<Record<string, unknown>>['sync']>[0]
type Row = Record<string, unknown> & { readonly id: string }

/** Changes what a shape's stream writes into its collection. */
export interface SyncOverlay {
  readonly params: SyncParams
  /** Called when syncing ends. */
  stop(): void
}

/** Puts itself between a shape's stream and its collection. */
export type CreateSyncOverlay = (params: SyncParams, options: StreamOptions) => SyncOverlay

const growingPart = /* @__PURE__ */ createPart(
  'What shows streamed messages',
  () => import('./streamed-messages.ts'),
)

/**
 * Lets messages grow while they are streamed. What does it is loaded when the first of them streams;
 * until then, and where it cannot be had, a message shows what its row holds, and all of it when it is
 * complete.
 */
export const overlayStreams: CreateSyncOverlay = (params, options) => {
  // Messages that stream, as their shape has them.
  const streaming = new Map<string, Row>()
  let growing: SyncOverlay | undefined
  let isOpen = false
  let isAsked = false
  let isStopped = false
  const target = () => growing?.params ?? params

  async function grow(): Promise<void> {
    isAsked = true
    await loadPatiently(growingPart).catch(() => undefined)
    isAsked = false
    takeOver()
  }

  function takeOver(): void {
    const part = growingPart.now()
    // What a transaction has begun with it also ends with.
    if (part === undefined || isOpen || isStopped || growing !== undefined) return
    growing = part.growStreamedMessages(params, options, streaming.values())
    streaming.clear()
  }

  function note(row: Row): void {
    const known = streaming.get(row.id) ?? (params.collection.get(row.id) as Row | undefined)
    const now = { ...known, ...row }
    if (now.status === 'streaming') streaming.set(row.id, now)
    else streaming.delete(row.id)
  }

  return {
    params: {
      ...params,
      begin(given) {
        isOpen = true
        target().begin(given)
      },
      write(message) {
        if (growing === undefined) {
          if (message.type !== 'delete') note(message.value as Row)
          else streaming.delete(String('key' in message ? message.key : message.value.id))
        }
        target().write(message)
      },
      truncate() {
        streaming.clear()
        target().truncate()
      },
      commit(signal) {
        isOpen = false
        const applied = target().commit(signal)
        if (growing === undefined && streaming.size > 0 && !isAsked) {
          if (growingPart.now() === undefined) void grow()
          else takeOver()
        }
        return applied
      },
    },
    stop() {
      isStopped = true
      streaming.clear()
      growing?.stop()
    },
  }
}
