import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A request as it was recorded. */
export interface RecordedRequest {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** An answer as it was recorded. */
export interface RecordedResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body?: unknown
  readonly ended?: boolean
}

/** A transaction committed while a request is open. */
export interface RecordedTransaction {
  readonly sql: readonly string[]
  readonly txid?: string
}

/** A request with its answer. */
export interface Exchange {
  readonly request: RecordedRequest
  readonly read?: { readonly events: number; readonly ms: number }
  readonly during?: readonly RecordedTransaction[]
  readonly delay?: number
  readonly response: RecordedResponse
}

/** One step of a scenario. */
export type Step =
  | RecordedTransaction
  | { readonly open: string; readonly sql: readonly string[]; readonly txid?: string }
  | { readonly close: string; readonly how: 'COMMIT' | 'ROLLBACK' }
  | { readonly wait: number }
  | Exchange
  | { readonly parallel: readonly Exchange[]; readonly during?: readonly RecordedTransaction[] }

/** A scenario: what was asked and what the real engine answered. */
export interface Recording {
  readonly name: string
  readonly slow?: boolean
  readonly config?: Readonly<Record<string, string | number>>
  readonly setup: readonly string[]
  readonly steps: readonly Step[]
  readonly placeholders: Readonly<Record<string, string>>
  readonly txidOrder: readonly string[]
}

/** Reads the recordings of a folder, in order of their names. */
export async function readRecordings(directory: string, only?: string): Promise<Recording[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.json')).sort()
  const wanted = names.filter((name) => only === undefined || name === `${only}.json`)
  return Promise.all(
    wanted.map(async (name) => JSON.parse(await readFile(join(directory, name), 'utf8'))),
  )
}

/** The exchanges of a step. */
export function exchangesOf(step: Step): readonly Exchange[] {
  if ('parallel' in step) return step.parallel
  return 'request' in step ? [step] : []
}
