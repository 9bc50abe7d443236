import pc from 'picocolors'
import {
  type ImportReport,
  type RecordIssue,
  type RowCounts,
  recordName,
  type ThreadReport,
} from './import-report.ts'

const MAX_LISTED = 50
const HASH_SHOWN = 12

export interface ReportStyle {
  /** Width of the terminal in columns; 100 by default. */
  readonly width?: number
  /** Colours, from picocolors; none by default. */
  readonly colors?: Pick<
    ReturnType<typeof pc.createColors>,
    'bold' | 'dim' | 'green' | 'red' | 'yellow'
  >
}

type ReportColors = NonNullable<ReportStyle['colors']>

/**
 * Formats a report as plain text of several lines.
 *
 * @example
 * console.log(formatImportReport(await importLegacySnapshots(options)))
 */
export function formatImportReport(report: ImportReport, style: ReportStyle = {}): string {
  const { width = 100, colors = pc.createColors(false) } = style
  const issues = { width, colors }
  return [
    ...fileLines(report, colors),
    '',
    ...countTable(report, colors),
    ...threadSection(report, width, colors),
    ...section(
      colors.bold('Sessions created because records name them'),
      report.stubSessions.map(({ id, title }) => shorten(`  ${id}  ${printable(title)}`, width)),
      report.stubSessions.length,
    ),
    ...section(
      colors.red('Could not be imported'),
      report.badRecords.map((issue) => issueLine(issue, issues)),
      report.badRecordCount,
    ),
    ...(report.quarantineFile === null ? [] : [`  Saved in ${report.quarantineFile}`]),
    ...section(
      colors.yellow('Imported with a change'),
      report.notes.map((issue) => issueLine(issue, issues)),
      report.noteCount,
    ),
    '',
    conclusion(report, colors),
  ].join('\n')
}

function fileLines({ files }: ImportReport, { dim }: ReportColors): string[] {
  return files.map(({ path, found, records }) =>
    found
      ? `${path}: ${number(records)} ${records === 1 ? 'record' : 'records'}`
      : dim(`${path}: not found, nothing to import`),
  )
}

function countTable({ dryRun, ...report }: ImportReport, { bold }: ReportColors): string[] {
  const row = (what: string, cells: readonly string[]) =>
    what.padEnd(10) + cells.map((cell) => cell.padStart(15)).join('')
  const counts = ({ inFiles, inserted, alreadyThere }: RowCounts) =>
    [inFiles, inserted, alreadyThere].map(number)
  return [
    bold(row('', ['in files', dryRun ? 'to insert' : 'inserted', 'already there'])),
    row('sessions', counts(report.sessions)),
    row('threads', counts(report.threads)),
    row('messages', counts(report.messages)),
  ]
}

/** Differing threads come first, then those with remarks. */
function threadSection({ perThread }: ImportReport, width: number, colors: ReportColors): string[] {
  if (perThread.length === 0) return []
  const shown = [
    ...perThread.filter((thread) => !thread.agrees),
    ...perThread.filter((thread) => thread.agrees && remarks(thread).length > 0),
    ...perThread.filter((thread) => thread.agrees && remarks(thread).length === 0),
  ].slice(0, MAX_LISTED)
  const idWidth = Math.min(45, Math.max(0, ...shown.map(({ id }) => printable(id).length)))
  const lines = shown.flatMap((thread) => threadLine(thread, idWidth, width, colors))
  const rest = perThread.length - shown.length
  const differing = perThread.filter(({ agrees }) => !agrees).length
  const restAgrees = differing <= MAX_LISTED ? ', all equal' : ''
  const more = rest > 0 ? [colors.dim(`  and ${number(rest)} more${restAgrees}`)] : []
  return ['', colors.bold('Threads, file against database'), ...lines, ...more]
}

function threadLine(
  thread: ThreadReport,
  idWidth: number,
  width: number,
  { green, red, yellow, dim }: ReportColors,
): string[] {
  const { id, title, fileCount, databaseCount, fileHash, databaseHash, agrees } = thread
  const mark = agrees ? green('=') : red('!')
  const count = `${number(fileCount)} of ${number(databaseCount)}`.padStart(9)
  const head = `${shorten(printable(id), idWidth).padEnd(idWidth)} ${count}  ${fileHash.slice(0, HASH_SHOWN)}`
  const room = width - head.length - 6
  const shownTitle = room >= 8 ? `  ${dim(shorten(printable(title), room))}` : ''
  const differs = agrees
    ? []
    : [
        red(
          `    DIFFERS in ${thread.differences.join(', ')}: file ${fileHash.slice(0, HASH_SHOWN)}, ` +
            `database ${databaseHash.slice(0, HASH_SHOWN)}`,
        ),
      ]
  return [
    `  ${mark} ${head}${shownTitle}`,
    ...differs,
    ...remarks(thread).map((remark) => yellow(`    ${remark}`)),
  ]
}

function remarks({ declaredCount, fileCount, ...thread }: ThreadReport): string[] {
  const edited = thread.editedInDatabase.length
  const messages = fileCount - thread.toolEventCount
  const isWrong =
    declaredCount !== null && declaredCount !== messages && declaredCount !== fileCount
  return [
    ...(isWrong
      ? [
          `messageCount is ${number(declaredCount)}, but the files contain ${number(messages)} messages`,
        ]
      : []),
    ...(edited > 0 ? [`${number(edited)} edited in the database since; left alone`] : []),
  ]
}

function issueLine(issue: RecordIssue, { width, colors }: Required<ReportStyle>): string {
  const { file, index, id, reason } = issue
  const place = recordName({ file, index, id: id === null ? null : printable(id) })
  const line = `  ${place}: ${printable(reason)}`
  if (line.length <= width) return line
  return `  ${place}:\n    ${colors.dim(printable(reason))}`
}

/** Replaces characters that could control the terminal or imitate another line. */
export function terminalText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD')
}

function printable(text: string): string {
  return terminalText(text).slice(0, 300)
}

function shorten(text: string, width: number): string {
  const characters = [...text]
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}

function section(title: string, lines: readonly string[], total: number): string[] {
  if (lines.length === 0) return []
  const shown = lines.slice(0, MAX_LISTED)
  const rest = total - shown.length
  return ['', title, ...shown, ...(rest > 0 ? [`  and ${number(rest)} more`] : [])]
}

function conclusion(report: ImportReport, { bold, green, red }: ReportColors): string {
  const { ok, changed, dryRun } = report
  const what = dryRun
    ? `Dry run: nothing was written${changed ? '' : ', and there is nothing to write'}.`
    : changed
      ? 'Imported.'
      : 'Nothing changed: everything was imported before.'
  if (ok) return `${what} ${bold(green('Files and database agree.'))}`
  const bad = report.badRecordCount
  const missing =
    bad === 0 ? '' : ` ${number(bad)} ${bad === 1 ? 'record is' : 'records are'} missing.`
  return `${what} ${bold(red('Files and database DO NOT agree; see above.'))}${missing}`
}
