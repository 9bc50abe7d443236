import type { RecordIssue, SnapshotFileName } from './import-report.ts'

/** As many issues as a report lists; all are counted. */
export const MAX_LISTED_ISSUES = 10_000

/** Issues with records, counted, and listed up to a bound. */
export interface IssueList {
  readonly listed: RecordIssue[]
  readonly count: number
  add(issue: RecordIssue): void
  /** Counts issues that are known to be, and are not listed. */
  addUnlisted(number: number): void
}

/** Starts an empty list. */
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

/** The id of a record that may be anything. */
export function idOf(record: unknown): string | null {
  if (typeof record !== 'object' || record === null || !('id' in record)) return null
  return typeof record.id === 'string' ? record.id : null
}

/** Names a record: `chat-messages.json[7] chat_1`. */
export function recordName({
  file,
  index,
  id,
}: {
  readonly file: SnapshotFileName
  readonly index: number
  readonly id: string | null
}): string {
  return `${file}[${index}]${id === null ? '' : ` ${id}`}`
}
