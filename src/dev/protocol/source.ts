import type { ShapeLog } from './shape-log.ts'
import type { SnapshotBounds } from './snapshot-visibility.ts'

/**
 * Error messages by parameter, as in the body of a 400; those of subsets nest one level. Errors found by a
 * check are lists; an error raised by Postgres for a subset is a plain text.
 */
export type FieldErrors = { [field: string]: string | string[] | FieldErrors }

/** The parameters that define a shape, as unchecked texts. */
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

/** The parameters of a subset of a shape. */
export interface SubsetParams {
  readonly where: string | undefined
  readonly params: readonly string[]
  readonly orderBy: string | undefined
  readonly limit: number | undefined
  readonly offset: number | undefined
}

/** A checked shape. Requests with the same key share one log. */
export interface ShapeDefinition {
  readonly key: string
  /** The `electric-schema` header. */
  readonly schema: string
}

/** The rows of a subset as messages, and the snapshot they come from. */
export interface SubsetRows {
  /** JSON texts. */
  readonly messages: readonly string[]
  readonly snapshot: SnapshotBounds
  readonly databaseLsn: bigint
  readonly mark: number
}

export type SourceStatus = 'active' | 'starting'

/**
 * Supplies shapes: their definitions, the rows of their snapshots, and the changes after them. The protocol
 * handles HTTP and logs; the source handles the database.
 */
export interface ShapeSource<Definition extends ShapeDefinition, Subset> {
  define(params: ShapeParams): Promise<{ definition: Definition } | { errors: FieldErrors }>
  defineSubset(
    definition: Definition,
    params: SubsetParams,
    request: ShapeParams,
  ): Promise<{ subset: Subset } | { errors: FieldErrors }>
  /** Starts to fill the log: the snapshot first, then every change that the snapshot did not see. */
  open(definition: Definition, log: ShapeLog): void
  /** Stops feeding a log that has expired. */
  close(log: ShapeLog): void
  readSubset(definition: Definition, subset: Subset, log: ShapeLog): Promise<SubsetRows>
  /** Returns the LSN up to which a log is complete. */
  lastSeenLsn(log: ShapeLog): bigint
  status(): SourceStatus
}

/** Thrown for a subset that Postgres rejects because of a value in its condition. */
export class SubsetRefused extends Error {
  override name = 'SubsetRefused'
}

/** Thrown for a shape that cannot be served; becomes the answer to its waiting requests. */
export class ShapeFailure extends Error {
  override name = 'ShapeFailure'
  /** 409 makes the client start over; the others carry the message. */
  readonly status: 409 | 500 | 503
  /** Seconds. */
  readonly retryAfter: number | undefined

  constructor(status: 409 | 500 | 503, message: string, retryAfter?: number) {
    super(message)
    this.status = status
    this.retryAfter = retryAfter
  }
}
