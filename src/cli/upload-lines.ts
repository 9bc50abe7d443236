import { terminalText } from '../legacy/import/terminal-text.ts'
import type { UploadIssue, UploadsReport } from '../legacy/index.ts'

const MAX_LISTED = 50

/** What became of exported uploads, for people; nothing where there are none. */
export function uploadLines(report: UploadsReport, dryRun: boolean): string[] {
  if (!report.found) return []
  const { inFile, inserted, filled, alreadyThere, badRecords, notes, quarantineFile } = report
  const counts = [
    `${inserted} ${dryRun ? 'to insert' : 'inserted'}`,
    ...(filled > 0 ? [`${filled} ${dryRun ? 'to fill a stub' : 'filled a stub'}`] : []),
    `${alreadyThere} already there`,
  ]
  return [
    `session-uploads.ndjson: ${inFile} ${inFile === 1 ? 'upload' : 'uploads'}, ${counts.join(', ')}`,
    ...section('could not be imported', badRecords),
    ...(quarantineFile === null ? [] : [`  They are in ${quarantineFile}`]),
    ...section('imported with a change', notes),
    '',
  ]
}

function section(title: string, issues: readonly UploadIssue[]): string[] {
  if (issues.length === 0) return []
  const lines = issues
    .slice(0, MAX_LISTED)
    .map(({ line, id, reason }) =>
      terminalText(`  line ${line}${id === null ? '' : ` ${id}`}: ${reason}`),
    )
  const rest = issues.length - lines.length
  return [`  ${issues.length} ${title}`, ...lines, ...(rest > 0 ? [`  and ${rest} more`] : [])]
}
