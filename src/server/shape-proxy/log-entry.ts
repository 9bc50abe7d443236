import type { Principal } from '../../schema/principal.ts'

/** What the logger hears of one shape request. Never holds the secret, a URL or a row. */
export interface ShapeLogEntry {
  readonly method: string
  /** The shape asked for; null when the request was refused before one was known. */
  readonly shape: string | null
  /** Who asked; null when nobody was recognised. */
  readonly principal: Principal | null
  readonly live: boolean
  /** Status of the answer; 499 when the client had gone before there was one. */
  readonly status: number
  /** Milliseconds until the answer's headers; its body may still be streaming. */
  readonly durationMs: number
  /** Why the answer is not the shape, where that needs saying. */
  readonly reason?: string
}

/** Hears of every request when it is answered. What it throws is ignored. */
export type ShapeLogger = (entry: ShapeLogEntry) => void
