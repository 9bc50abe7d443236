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
  /** SHA-256 over order, id, role and content of the file's messages. */
  readonly fileHash: string
  /** The same over what the database holds of these messages. */
  readonly databaseHash: string
  /** Messages that were edited since an earlier import: left alone, and in neither hash. */
  readonly editedInDatabase: readonly string[]
  readonly agrees: boolean
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
  readonly perThread: readonly ThreadReport[]
  /** Records that could not be imported. */
  readonly badRecords: readonly RecordIssue[]
  /** Records that were imported otherwise than they stand in the file. */
  readonly notes: readonly RecordIssue[]
}
