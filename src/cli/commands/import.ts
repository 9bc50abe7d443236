import { stat } from 'node:fs/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import { SessionDbError } from '../../errors.ts'
import { terminalText } from '../../legacy/import/format-import-report.ts'
import type {
  FixedSessions,
  ImportProgress,
  ImportReport,
  UploadIssue,
  UploadsReport,
} from '../../legacy/index.ts'
import { colorsFor } from '../colors.ts'
import {
  addS3Options,
  databaseUrlOption,
  requireDatabase,
  type S3Options,
  s3Contents,
} from '../options.ts'
import { createProgressLine, formatBytes } from '../progress-line.ts'

type ImportCommandOptions = S3Options & {
  data: string
  tenant: string
  user?: string
  visibility: 'private' | 'tenant'
  quarantine: string
  fixedSession: FixedSessions
  dryRun?: true
  strict?: true
  salvage?: true
  json?: true
}

/** Creates `session-db import`: imports the JSON files and uploads of an old app, or an export. */
export function importCommand(): Command {
  const command = new Command('import')
    .description('import the JSON files and uploads of an old app, or an export; safe to repeat')
    .requiredOption('--data <dir>', 'data directory of the old app, or an export')
    .requiredOption('--tenant <id>', 'the tenant to import into')
    .option('--user <id>', 'owner of the imported sessions; not for an export, which has its own')
    .addOption(databaseUrlOption())
    .addOption(
      new Option('--visibility <visibility>', 'visibility of the new sessions')
        .choices(['private', 'tenant'])
        .default('private'),
    )
    .option(
      '--fixed-session <id=scope>',
      'give a session id of the app to each user (session-default=user) or to the tenant (…=tenant)',
      addFixedSession,
      {},
    )
    .option('--dry-run', 'print the report and write nothing')
    .option('--strict', 'fail at the first record that cannot be imported, and write nothing')
    .option('--salvage', 'import the readable part of a damaged JSON file')
    .option(
      '--quarantine <file>',
      'file for records that cannot be imported; uploads go to …-uploads.ndjson beside it',
      'session-db-quarantine.ndjson',
    )
    .option('--json', 'print the report as one JSON line')
  return addS3Options(command).action(runImport)
}

async function runImport(options: ImportCommandOptions, command: Command): Promise<void> {
  const database = requireDatabase(command)
  const { readManifest } = await import('../../legacy/export/manifest.ts')
  await requireDirectory(options.data)
  if ((await readManifest(options.data)) !== undefined) {
    return importExported(database, options)
  }
  const { user, dryRun = false, strict = false } = options
  if (user === undefined) return command.error("required option '--user <id>' not specified")
  const { formatImportReport, importLegacySnapshots, importSessionUploads } = await import(
    '../../legacy/index.ts'
  )
  const progress = createProgressLine(process.stderr)
  const common = {
    database,
    directory: options.data,
    tenantId: options.tenant,
    userId: user,
    visibility: options.visibility,
    dryRun,
    strict,
  }
  const chats = {
    ...common,
    salvage: options.salvage ?? false,
    fixedSessions: options.fixedSession,
    quarantineFile: options.quarantine,
    ...(!options.json && {
      onProgress: (step: ImportProgress) => progress.show(progressStep(step)),
    }),
  }
  const uploading = {
    ...common,
    ...(await s3Contents(options)),
    quarantineFile: options.quarantine.replace(/(\.[^./\\]+)?$/, '-uploads$1'),
    ...(!options.json && {
      onProgress: (step: ImportProgress) => progress.show(progressStep(step)),
    }),
  }
  try {
    // Strict writes all or nothing: a rehearsal finds refused chats before uploads are written.
    if (strict && !dryRun) await importLegacySnapshots({ ...chats, dryRun: true })
    // Uploads come first, so that each chat finds the session of its upload.
    const uploads = await importSessionUploads(uploading)
    const report = await importLegacySnapshots(chats)
    progress.end()
    if (!uploads.found) requireFiles(report, options.data)
    const style = { width: process.stdout.columns ?? 100, colors: colorsFor(process.stdout) }
    const text = options.json
      ? JSON.stringify({ ...report, uploads, ok: report.ok && uploads.ok })
      : [...uploadLines(uploads, dryRun), formatImportReport(report, style)].join('\n')
    process.stdout.write(`${text}\n`)
    if (!report.ok || !uploads.ok) process.exitCode = 1
  } finally {
    progress.end()
  }
}

/** Restores the output of `session-db export`. */
async function importExported(database: string, options: ImportCommandOptions): Promise<void> {
  const { formatRestoreReport } = await import('../../legacy/export/format-restore-report.ts')
  const { restoreExport } = await import('../../legacy/index.ts')
  const report = await restoreExport({
    database,
    directory: options.data,
    tenantId: options.tenant,
    dryRun: options.dryRun ?? false,
    ...(await s3Contents(options)),
  })
  const style = { colors: colorsFor(process.stdout) }
  const text = options.json ? JSON.stringify(report) : formatRestoreReport(report, style)
  process.stdout.write(`${text}\n`)
  if (!report.ok) process.exitCode = 1
}

/** Adds `session-default=user` to the fixed sessions. */
function addFixedSession(value: string, fixed: FixedSessions): FixedSessions {
  const [, id, scope] = /^(.+)=(user|tenant)$/.exec(value) ?? []
  if (id === undefined) {
    throw new InvalidArgumentError('Write the id and its scope, such as session-default=user.')
  }
  return { ...fixed, [id]: scope as 'user' | 'tenant' }
}

function progressStep({ stage, file, done, total }: ImportProgress) {
  const isBytes = stage === 'reading'
  const label = file === undefined ? stage : `${stage} ${file}`
  return { label, done, total, format: isBytes ? formatBytes : count }
}

function count(amount: number): string {
  return amount.toLocaleString('en-US')
}

async function requireDirectory(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory()) return
  throw new SessionDbError(
    'invalid',
    `${found === undefined ? `There is no directory ${path}` : `${path} is not a directory`}. ` +
      'Pass the data directory of the old app, or an export, as --data.',
  )
}

/** Fails if there are no files: a mistyped directory must not look like a successful import. */
function requireFiles({ files }: ImportReport, directory: string): void {
  if (files.some(({ found }) => found)) return
  throw new SessionDbError(
    'invalid',
    `${directory} has nothing to import: none of ${files.map(({ name }) => name).join(', ')}. ` +
      'Pass the data directory of the old app, or an export, as --data.',
  )
}

const MAX_LISTED = 50

/** Formats the report about uploads. Returns no lines if there are none. */
function uploadLines(report: UploadsReport, dryRun: boolean): string[] {
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
    ...(quarantineFile === null ? [] : [`  Saved in ${quarantineFile}`]),
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
