import type { ImportReport, RecordIssue, RowCounts, ThreadReport } from './import-report.ts'

const MAX_LISTED = 50

/**
 * Prints a report for people, plain text of several lines.
 *
 * @example
 * console.log(formatImportReport(await importLegacySnapshots(options)))
 */
export function formatImportReport(report: ImportReport): string {
  const verb = report.dryRun ? 'to insert' : 'inserted'
  return [
    ...report.files.map(({ path, found, records }) =>
      found ? `${path}: ${records} records` : `${path}: not there, nothing to import`,
    ),
    '',
    countLine('sessions', report.sessions, verb),
    countLine('threads', report.threads, verb),
    countLine('messages', report.messages, verb),
    ...section('Threads', report.perThread.map(threadLine)),
    ...section('Could not be imported', report.badRecords.map(issueLine)),
    ...section('Imported with a change', report.notes.map(issueLine)),
    '',
    conclusion(report),
  ].join('\n')
}

function countLine(what: string, counts: RowCounts, verb: string): string {
  const { inFiles, inserted, alreadyThere } = counts
  return `${what.padEnd(9)} ${inFiles} in files, ${inserted} ${verb}, ${alreadyThere} already there`
}

function threadLine(thread: ThreadReport): string {
  const { id, title, declaredCount, fileCount, databaseCount, fileHash, databaseHash } = thread
  const declared = declaredCount === null ? 'none' : declaredCount
  const hashes = thread.agrees
    ? `= ${fileHash.slice(0, 12)}`
    : `DIFFERS: file ${fileHash.slice(0, 12)}, database ${databaseHash.slice(0, 12)}`
  const edited = thread.editedInDatabase.length
  const edits = edited > 0 ? `, ${edited} edited since and left alone` : ''
  const counts = `declared ${declared}, file ${fileCount}, database ${databaseCount}`
  return `${id} "${printable(title)}": ${counts}, ${hashes}${edits}`
}

function issueLine({ file, index, id, reason }: RecordIssue): string {
  return `${file}[${index}]${id === null ? '' : ` ${printable(id)}`}: ${printable(reason)}`
}

/** A record's own text could otherwise steer the terminal or pretend to be another line. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD').slice(0, 300)
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return []
  const shown = lines.slice(0, MAX_LISTED).map((line) => `  ${line}`)
  const rest = lines.length - shown.length
  return ['', `${title}:`, ...shown, ...(rest > 0 ? [`  and ${rest} more`] : [])]
}

function conclusion({ ok, changed, dryRun }: ImportReport): string {
  const what = dryRun
    ? `Dry run: nothing was written${changed ? '' : ', and nothing would be'}.`
    : changed
      ? 'Imported.'
      : 'Nothing changed: everything was there already.'
  return `${what} ${ok ? 'Files and database agree.' : 'Files and database DO NOT agree, see above.'}`
}
