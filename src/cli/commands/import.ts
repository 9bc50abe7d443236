import { Command, Option } from 'commander'
import { SessionDbError } from '../../errors.ts'
import type { ImportProgress, ImportReport } from '../../legacy/index.ts'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabaseUrl } from '../database-url.ts'
import { createProgressLine, formatBytes } from '../progress-line.ts'
import { addS3Options, type S3Options, s3Contents } from '../s3-contents.ts'
import { uploadLines } from '../upload-lines.ts'

type ImportCommandOptions = S3Options & {
  data: string
  tenant: string
  user?: string
  visibility: 'private' | 'tenant'
  quarantine: string
  dryRun?: true
  strict?: true
  salvage?: true
  json?: true
}

/** `session-db import`: brings an old app's JSON snapshots and uploads into the database. */
export function importCommand(): Command {
  const command = new Command('import')
    .description(
      'import chat-threads.json, chat-messages.json, chat-tool-events.json and exported uploads; ' +
        'a second run changes nothing',
    )
    .requiredOption('--data <dir>', "the old app's data directory, or an export")
    .requiredOption('--tenant <id>', 'the tenant to import into')
    .option('--user <id>', 'the user who gets what is imported (an export has users of its own)')
    .addOption(databaseUrlOption())
    .addOption(
      new Option('--visibility <visibility>', 'of the sessions that are made')
        .choices(['private', 'tenant'])
        .default('private'),
    )
    .option('--dry-run', 'report what would be done and write nothing')
    .option('--strict', 'stop at the first record that cannot be imported, and write nothing')
    .option('--salvage', 'take what can be read of a file that is not JSON throughout')
    .option(
      '--quarantine <file>',
      'where records go that cannot be imported; uploads beside it, as …-uploads.ndjson',
      'session-db-quarantine.ndjson',
    )
    .option('--json', 'print the report as one JSON line')
  return addS3Options(command).action(runImport)
}

async function runImport(options: ImportCommandOptions, command: Command): Promise<void> {
  const database = requireDatabaseUrl(command)
  const legacy = await import('../../legacy/index.ts')
  if ((await legacy.readManifest(options.data)) !== undefined) {
    return importExported(database, options)
  }
  const { user, dryRun = false, strict = false } = options
  if (user === undefined) return command.error("required option '--user <id>' not specified")
  const { formatImportReport, importLegacySnapshots, importSessionUploads } = legacy
  const progress = createProgressLine(process.stderr)
  const common = {
    database,
    dataDir: options.data,
    tenantId: options.tenant,
    userId: user,
    visibility: options.visibility,
    dryRun,
    strict,
  }
  const chats = {
    ...common,
    salvage: options.salvage ?? false,
    quarantineFile: options.quarantine,
    ...(!options.json && {
      onProgress: (step: ImportProgress) => progress.show(progressStep(step)),
    }),
  }
  const uploading = {
    ...common,
    ...(await s3Contents(options)),
    quarantineFile: options.quarantine.replace(/(\.[^./\\]+)?$/, '-uploads$1'),
    ...(!options.json && { onProgress: (done: number) => progress.show(uploadStep(done)) }),
  }
  try {
    // Strict writes all or nothing: chats that would be refused must be known before uploads go in.
    if (strict && !dryRun) await importLegacySnapshots({ ...chats, dryRun: true })
    // First, so that a chat finds the session of its upload.
    const uploads = await importSessionUploads(uploading)
    const report = await importLegacySnapshots(chats)
    progress.end()
    if (!uploads.found) refuseNothing(report, options.data)
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

/** Imports what `session-db export` wrote. */
async function importExported(database: string, options: ImportCommandOptions): Promise<void> {
  const { formatRestoreReport, importExport } = await import('../../legacy/index.ts')
  const report = await importExport({
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

function progressStep({ stage, file, done, total }: ImportProgress) {
  const isBytes = stage === 'reading'
  const label = file === undefined ? stage : `${stage} ${file}`
  return { label, done, total, format: isBytes ? formatBytes : count }
}

function uploadStep(done: number) {
  return { label: `uploads ${count(done)}`, done: 0, total: 0, format: count }
}

function count(amount: number): string {
  return amount.toLocaleString('en-US')
}

/** A mistyped directory must not look like an import that went well. */
function refuseNothing({ files }: ImportReport, dataDir: string): void {
  if (files.some(({ found }) => found)) return
  throw new SessionDbError(
    'invalid',
    `There is nothing to import in ${dataDir}: it has none of ` +
      `${files.map(({ name }) => name).join(', ')}. Pass the old app's data directory as --data.`,
  )
}
