/** The files of the old app's `data` directory; threads come first, for their messages to find. */
export const SNAPSHOT_FILES = [
  'chat-threads.json',
  'chat-messages.json',
  'chat-tool-events.json',
] as const

export type SnapshotFileName = (typeof SNAPSHOT_FILES)[number]

/** A remark about one record of a file. */
export interface RecordIssue {
  readonly file: SnapshotFileName
  /** Index in the file's array, from 0. */
  readonly index: number
  /** The record's id, if it has one. */
  readonly id: string | null
  readonly reason: string
}

export interface SnapshotFileReport {
  readonly name: SnapshotFileName
  readonly path: string
  /** False for a missing file, which has nothing to import. */
  readonly found: boolean
  readonly records: number
}

/** The comparison of one thread, file against database. */
export interface ThreadReport {
  readonly id: string
  readonly sessionId: string
  readonly title: string
  /** The file's `messageCount`; null if it has none, or no record of the thread. */
  readonly declaredCount: number | null
  /** Messages of the thread in the files, tool events included, each counted once. */
  readonly fileCount: number
  /** Tool events among them, which the old app did not count in `messageCount`. */
  readonly toolEventCount: number
  /** Messages of the thread in the database, later ones included. */
  readonly databaseCount: number
  /**
   * SHA-256 over the file's messages in order: each by id, role, content, client id and creation time.
   */
  readonly fileHash: string
  /** The same over the database's rows of these messages. */
  readonly databaseHash: string
  /** Ids of messages edited since an earlier import: left alone, and in neither hash. */
  readonly editedInDatabase: readonly string[]
  /**
   * The differences: messages `missing` from the database, their `content`, their `metadata` or parts,
   * their `order`, the thread's `session`, or its `count` of messages.
   */
  readonly differences: readonly (
    | 'missing'
    | 'content'
    | 'metadata'
    | 'order'
    | 'session'
    | 'count'
  )[]
  /** True if there are no differences. */
  readonly agrees: boolean
}

/** Counts of rows of one kind. */
export interface RowCounts {
  readonly inFiles: number
  readonly inserted: number
  readonly alreadyThere: number
}

/** The outcome of an import. Print it with `formatImportReport`, or store it as JSON. */
export interface ImportReport {
  /** True if every record could be imported and every thread agrees, file against database. */
  readonly ok: boolean
  /** In a dry run nothing is written; the counts are what would be. */
  readonly dryRun: boolean
  /** True if any row was (or would be) written. A second run changes nothing. */
  readonly changed: boolean
  readonly files: readonly SnapshotFileReport[]
  readonly sessions: RowCounts
  readonly threads: RowCounts
  /** Chat messages and tool events. */
  readonly messages: RowCounts
  /** Sessions that were (or would be) created, with `stub` in their metadata. */
  readonly stubSessions: readonly { readonly id: string; readonly title: string }[]
  readonly perThread: readonly ThreadReport[]
  /** Records that could not be imported: the first 10,000 of `badRecordCount`. */
  readonly badRecords: readonly RecordIssue[]
  readonly badRecordCount: number
  /** Records imported with a change: the first 10,000 of `noteCount`. */
  readonly notes: readonly RecordIssue[]
  readonly noteCount: number
  /** The file with the bad records; null when there are none, or nothing was written. */
  readonly quarantineFile: string | null
}

/** How many issues a report lists; all are counted. */
export const MAX_LISTED_ISSUES = 10_000

/** A counted list of issues, of which the first are kept. */
export interface IssueList {
  readonly listed: RecordIssue[]
  readonly count: number
  add(issue: RecordIssue): void
  /** Adds to the count only. */
  addUnlisted(number: number): void
}

export function createIssueList(): IssueList {
  const listed: RecordIssue[] = []
  let count = 0
  return {
    listed,
    get count() {
      return count
    },
    add(issue) {
      count += 1
      if (listed.length < MAX_LISTED_ISSUES) listed.push(issue)
    },
    addUnlisted(number) {
      count += number
    },
  }
}

/** The id of a record, which may be any JSON value. */
export function idOf(record: unknown): string | null {
  if (typeof record !== 'object' || record === null || !('id' in record)) return null
  return typeof record.id === 'string' ? record.id : null
}

/** Returns a name such as `chat-messages.json[7] chat_1`. */
export function recordName({ file, index, id }: Omit<RecordIssue, 'reason'>): string {
  return `${file}[${index}]${id === null ? '' : ` ${id}`}`
}
