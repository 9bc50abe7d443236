import pc from 'picocolors'
import type { ReportStyle } from '../import/format-import-report.ts'
import type { RestoredTable, RestoreReport } from './restore-export.ts'

const MAX_LISTED = 20

/**
 * Formats the report of a restore as plain text.
 *
 * @example
 * console.log(formatRestoreReport(await restoreExport(options)))
 */
export function formatRestoreReport(report: RestoreReport, style: ReportStyle = {}): string {
  const { bold, green, red } = style.colors ?? pc.createColors(false)
  const row = (what: string, cells: readonly string[]) =>
    what.padEnd(18) + cells.map((cell) => cell.padStart(12)).join('')
  const counts = ({ table, inFile, inserted, alreadyThere, newer, differing }: RestoredTable) =>
    row(
      table,
      [inFile, inserted, alreadyThere, newer, differing].map((n) => n.toLocaleString('en-US')),
    )
  const heads = [
    'in export',
    report.dryRun ? 'to insert' : 'inserted',
    'equal',
    'newer',
    'differing',
  ]
  const differing = report.tables.flatMap(({ table, differingIds }) =>
    differingIds.slice(0, MAX_LISTED).map((id) => `  ${table} ${id}`),
  )
  const what = report.dryRun
    ? 'Dry run: nothing was written.'
    : report.changed
      ? 'Restored.'
      : 'Nothing changed: everything was restored before.'
  return [
    bold(row('', heads)),
    ...report.tables.map(counts),
    ...(differing.length > 0
      ? ['', red('Existing rows that differ; left alone'), ...differing]
      : []),
    '',
    `${what} ${
      report.ok
        ? bold(green('Export and database agree.'))
        : bold(red('Export and database DO NOT agree; see above.'))
    }`,
  ].join('\n')
}
