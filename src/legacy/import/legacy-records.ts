import type { JsonObject, JsonValue } from '../../schema/fields.ts'
import type { SnapshotFileName } from './import-report.ts'

export const legacyModes = ['session', 'general'] as const

/** What a thread is about: its session, or anything. */
export type LegacyMode = (typeof legacyModes)[number]

/** The metadata of a record that has no fields but known ones. */
export const NO_METADATA: JsonObject = Object.freeze({})

/** A record of `chat-threads.json`, understood. */
export interface LegacyThread {
  readonly index: number
  readonly id: string
  readonly sessionId: string
  readonly mode: LegacyMode
  readonly title: string
  readonly status: 'active' | 'archived'
  readonly declaredCount: number | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly metadata: JsonObject
}

/** A record of `chat-messages.json` or `chat-tool-events.json`, understood. */
export interface LegacyMessage {
  readonly file: SnapshotFileName
  readonly index: number
  readonly id: string
  readonly sessionId: string
  readonly mode: LegacyMode | null
  /** Null for messages from before there were threads. */
  readonly threadId: string | null
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string
  readonly parts: readonly JsonValue[]
  readonly clientMessageId: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly metadata: JsonObject
}

/** The title the old app gave to a new thread; the second of its kind is `#2`. */
export function defaultThreadTitle(mode: LegacyMode, number: number): string {
  const title = mode === 'session' ? 'Session Coach' : 'General'
  return number <= 1 ? title : `${title} #${number}`
}
