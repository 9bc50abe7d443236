/** The files of an old `data` directory. */
export type SnapshotFileName = 'chat-threads.json' | 'chat-messages.json' | 'chat-tool-events.json'

/** Something to know about one record of a file. */
export interface RecordIssue {
  readonly file: SnapshotFileName
  /** Place in the file's array, from 0. */
  readonly index: number
  /** The record's id, where it has one. */
  readonly id: string | null
  readonly reason: string
}

/** What was found of one file. */
export interface SnapshotFileReport {
  readonly name: SnapshotFileName
  readonly path: string
  /** A missing file is nothing to import. */
  readonly found: boolean
  readonly records: number
}

/** One thread, file against database. */
export interface ThreadReport {
  readonly id: string
  readonly sessionId: string
  readonly title: string
  /** `messageCount` as the file says; null when it does not, or has no record of the thread. */
  readonly declaredCount: number | null
  /** Messages of the thread in the file, tool events included, each counted once. */
  readonly fileCount: number
  /** Messages of the thread in the database, later ones included. */
  readonly databaseCount: number
  /**
   * SHA-256 over the file's messages in their order: each by id, role, content, client id and time
   * of creation.
   */
  readonly fileHash: string
  /** The same over what the database holds of these messages. */
  readonly databaseHash: string
  /** Messages that were edited since an earlier import: left alone, and in neither hash. */
  readonly editedInDatabase: readonly string[]
  /**
   * What is not the same: messages `missing` from the database, their `content`, their `metadata`
   * or parts, their `order`, the thread's `session`, or its `count` of messages.
   */
  readonly differences: readonly ThreadDifference[]
  /** Whether there are no differences. */
  readonly agrees: boolean
}

export type ThreadDifference = 'missing' | 'content' | 'metadata' | 'order' | 'session' | 'count'

/** A session that was made because records name it and there is none. */
export interface StubSessionReport {
  readonly id: string
  readonly title: string
}

/** How many rows there were to bring over, and what became of them. */
export interface RowCounts {
  readonly inFiles: number
  readonly inserted: number
  readonly alreadyThere: number
}

/** The outcome of an import, for people (`formatImportReport`) and as JSON. */
export interface ImportReport {
  /** Whether every record was understood and every thread agrees, file against database. */
  readonly ok: boolean
  /** In a dry run nothing was written; the counts say what would be. */
  readonly dryRun: boolean
  /** Whether any row was (or would be) written. A second run changes nothing. */
  readonly changed: boolean
  readonly files: readonly SnapshotFileReport[]
  readonly sessions: RowCounts
  readonly threads: RowCounts
  /** Chat messages and tool events. */
  readonly messages: RowCounts
  /** Sessions that were (or would be) made, marked `stub` in their metadata. */
  readonly stubSessions: readonly StubSessionReport[]
  readonly perThread: readonly ThreadReport[]
  /** Records that could not be imported, the first 10,000 of `badRecordCount`. */
  readonly badRecords: readonly RecordIssue[]
  readonly badRecordCount: number
  /** Records that were imported otherwise than they stand, the first 10,000 of `noteCount`. */
  readonly notes: readonly RecordIssue[]
  readonly noteCount: number
  /** Where the bad records are, as they stood; null when there are none or nothing was written. */
  readonly quarantineFile: string | null
}
