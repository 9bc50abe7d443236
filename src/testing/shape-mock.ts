import type { RequestHandler } from 'msw'
import type { CollectionName, Principal } from '../schema/index.ts'
import type { ShapeRegistry } from '../shapes/index.ts'
import type { AppRow, AppTables } from './database/app-tables.ts'
import type { RowChanges, RowId, RowInput, RowInputs, Rows } from './rows.ts'

export interface ShapeMockOptions<P extends Principal = Principal> {
  /** What `createSessionCollections` is given. Relative ones are for pages only. */
  readonly electricUrl: string
  /** Who sends every request, and whom new rows belong to. Default `defaultPrincipal`. */
  readonly principal?: P
  /** Says who sends a request, for tests with several users; null is answered with 401. */
  readonly authenticate?: (request: Request) => P | null | Promise<P | null>
  /** The rows there are at first, and again after `reset`. */
  readonly tables?: RowInputs
  /** How long a live request without news is held, in ms. Default 20,000, as the engine has it. */
  readonly longPollMs?: number
  /** The shapes on offer; by default the six of this library. */
  readonly shapes?: ShapeRegistry<P>
  /** Tables of the app's own, by their names in the database, for shapes and conditions about them. */
  readonly appTables?: AppTables
}

/** Which shape a control is about, by the name in its URL; all when left out. */
export type ShapeName = string

/** Shape streams for tests: rows in memory behind MSW handlers, and what may go wrong with them. */
export interface ShapeMock {
  /** For `setupServer`, `setupWorker` or `server.use`. */
  readonly handlers: RequestHandler[]
  /** Puts a row in as an INSERT does, triggers and constraints included. Returns it as stored. */
  insert<Name extends CollectionName>(collection: Name, row?: RowInput<Name>): Rows[Name]
  /** Changes a row as an UPDATE does: its version rises. Returns it as stored. */
  update<Name extends CollectionName>(
    collection: Name,
    id: RowId,
    changes: RowChanges<Name>,
  ): Rows[Name]
  /** Deletes a row, and what belongs to it. */
  delete(collection: CollectionName, id: RowId): void
  /**
   * Makes one transaction of what `work` does. Returns its txid, null when nothing changed. When
   * `work` throws, nothing has happened.
   */
  transaction(work: () => void): number | null
  /** All rows of a collection, of every tenant, columns that browsers never see included. */
  rows<Name extends CollectionName>(collection: Name): Rows[Name][]
  /** The rows of a table of the app's own, and how to change them: one transaction each. */
  appTable(name: string): {
    rows(): AppRow[]
    /** Puts a row in, or in the place of the one with its key. Returns it as stored. */
    put(row: AppRow): AppRow
    /** Deletes the row with this key. */
    delete(key: AppRow): void
  }
  /** Shares a session with its tenant. */
  grant(sessionId: RowId): void
  /** Takes a session away from everybody but its owner; from `principal` even when it owns it. */
  revoke(sessionId: RowId): void
  /** Every answer takes `ms` longer from now on; 0 ends that. */
  delay(ms: number): void
  /** The first page of every shape takes `ms` longer from now on; 0 ends that. */
  slowFirstPage(ms: number): void
  /** Breaks every open request, as a network does, and every further one until it is restored. */
  dropConnection(): void
  /** Lets requests through again. Streams notice by themselves, as soon as they try again. */
  restoreConnection(): void
  /** What the next request is answered with. Requests that wait for news are ended to make it soon. */
  readonly next: {
    /** 401, once: the stream ends until its collection is started again. */
    unauthorized(shape?: ShapeName): void
    /** 409 at once, to every client: it starts over with a new snapshot. */
    mustRefetch(shape?: ShapeName): void
    /** 503 with Retry-After, once: the stream tries again by itself. */
    unavailable(options?: { readonly retryAfterSeconds?: number; readonly shape?: ShapeName }): void
  }
  /**
   * Back to the beginning: the first rows, no delays, no request left open, every shape new. Streams
   * of before that were not cleaned up are ended with 410. Call it after each test.
   */
  reset(): void
}
