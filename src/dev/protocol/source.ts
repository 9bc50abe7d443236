import type { ShapeLog } from './shape-log.ts'
import type { SnapshotBounds } from './snapshot-visibility.ts'

/**
 * Messages by parameter, as the body of a 400 has them; subsets nest one level. What a check finds is a
 * list, what Postgres says of a subset is its text alone.
 */
export type FieldErrors = { [field: string]: string | string[] | FieldErrors }

/** What a request says about its shape; texts as they came. */
export interface ShapeParams {
  readonly table: string
  readonly where: string | undefined
  /** `params[1]`, `params[2]`, … in order. */
  readonly params: readonly string[]
  readonly columns: string | undefined
  readonly queryableColumns: string | undefined
  readonly replica: 'default' | 'full'
  readonly log: 'full' | 'changes_only'
}

/** What a request says about a subset of its shape. */
export interface SubsetParams {
  readonly where: string | undefined
  readonly params: readonly string[]
  readonly orderBy: string | undefined
  readonly limit: number | undefined
  readonly offset: number | undefined
}

/** A checked shape. Two requests with the same key share one log. */
export interface ShapeDefinition {
  readonly key: string
  /** The `electric-schema` header. */
  readonly schema: string
}

/** The rows of a subset, as messages, and the snapshot they come from. */
export interface SubsetRows {
  /** JSON texts. */
  readonly messages: readonly string[]
  readonly snapshot: SnapshotBounds
  readonly databaseLsn: bigint
  readonly mark: number
}

export type SourceStatus = 'active' | 'starting'

/**
 * Where shapes come from: what exists, the rows of a snapshot, the changes after it.
 * The protocol asks it nothing about HTTP, and it knows nothing of requests.
 */
export interface ShapeSource<Definition extends ShapeDefinition, Subset> {
  define(params: ShapeParams): Promise<{ definition: Definition } | { errors: FieldErrors }>
  defineSubset(
    definition: Definition,
    params: SubsetParams,
    request: ShapeParams,
  ): Promise<{ subset: Subset } | { errors: FieldErrors }>
  /** Fills the log: snapshot first, then every change the snapshot did not see. */
  open(definition: Definition, log: ShapeLog): void
  /** Stops feeding a log that has expired. */
  close(log: ShapeLog): void
  readSubset(definition: Definition, subset: Subset, log: ShapeLog): Promise<SubsetRows>
  /** LSN up to which a log is complete. */
  lastSeenLsn(log: ShapeLog): bigint
  status(): SourceStatus
}

/** A subset that Postgres refused for a value in its condition, which only it can check. */
export class SubsetRefused extends Error {
  override name = 'SubsetRefused'
}

/** A shape that cannot be served: what the waiting requests are answered. */
export class ShapeFailure extends Error {
  override name = 'ShapeFailure'
  /** 409 tells the client to start over; the others carry the message. */
  readonly status: 409 | 500 | 503
  /** Seconds. */
  readonly retryAfter: number | undefined

  constructor(status: 409 | 500 | 503, message: string, retryAfter?: number) {
    super(message)
    this.status = status
    this.retryAfter = retryAfter
  }
}
