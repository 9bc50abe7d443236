import type { SyncConfig } from '@tanstack/db'
import type { ChatMessage } from '../../schema/chat-message.ts'
import { streamEpoch } from '../../schema/streamed-message.ts'
import { type DeltaStream, openDeltaStream, type StreamedDelta } from './delta-stream.ts'
import { createStreamedRows } from './streamed-rows.ts'
import type { StreamOptions } from './synced-collection.ts'

type SyncParams = Parameters<SyncConfig<Record<string, unknown>>['sync']>[0]

/** Changes what a shape's stream writes into its collection. */
export interface SyncOverlay {
  readonly params: SyncParams
  /** Called when syncing ends. */
  stop(): void
}

/** Puts itself between a shape's stream and its collection. */
export type CreateSyncOverlay = (params: SyncParams, options: StreamOptions) => SyncOverlay

/**
 * Shows a streaming message as its row plus the deltas that arrived since. Deltas are requested only
 * while a message of the collection streams, so an idle collection costs one shape, not two.
 */
export const overlayStreams: CreateSyncOverlay = (params, options) => {
  const rows = createStreamedRows((id) => {
    return params.collection.get(id) as unknown as ChatMessage | undefined
  })
  const streams = new Map<string, DeltaStream>()
  let isOpen = false
  let waiting: StreamedDelta[] = []

  function show(deltas: readonly StreamedDelta[]): void {
    // The messages' own transaction is open: what is written now would become part of it.
    if (isOpen) {
      waiting = [...waiting, ...deltas]
      return
    }
    const changed = rows.grow(deltas)
    if (changed.length === 0) return
    params.begin({ immediate: true })
    for (const row of changed) params.write({ type: 'update', value: { ...row } })
    params.commit()
  }

  /** Opens the streams that are needed and closes those that are not. */
  function follow(): void {
    const needed = new Map(
      rows.bases().map(({ sessionId, createdAt }) => {
        const epoch = streamEpoch(createdAt)
        return [JSON.stringify([sessionId, epoch]), { sessionId, epoch }]
      }),
    )
    for (const [key, stream] of streams) {
      if (needed.has(key)) continue
      stream.close()
      streams.delete(key)
    }
    if (needed.size === 0) rows.forgetDeltas()
    for (const [key, place] of needed) {
      if (!streams.has(key)) streams.set(key, openDeltaStream(place, options, show))
    }
  }

  return {
    params: {
      ...params,
      begin(given) {
        isOpen = true
        params.begin(given)
      },
      write(message) {
        if (message.type === 'delete') {
          rows.remove(String('key' in message ? message.key : message.value.id))
          params.write(message)
        } else {
          params.write({ ...message, value: rows.take(message.value as { readonly id: string }) })
        }
      },
      truncate() {
        rows.clear()
        params.truncate()
      },
      commit(signal) {
        isOpen = false
        const applied = params.commit(signal)
        follow()
        if (waiting.length > 0) show(waiting.splice(0))
        return applied
      },
    },
    stop() {
      for (const stream of streams.values()) stream.close()
      streams.clear()
      rows.clear()
      rows.forgetDeltas()
    },
  }
}
