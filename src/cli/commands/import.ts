import { Command, Option } from 'commander'
import { SessionDbError } from '../../errors.ts'
import type { ImportProgress, ImportReport, UploadsReport } from '../../legacy/index.ts'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabaseUrl } from '../database-url.ts'
import { createProgressLine, formatBytes } from '../progress-line.ts'

type ImportCommandOptions = {
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

/** `session-db import`: brings an old app's JSON snapshots into the database. */
export function importCommand(): Command {
  return new Command('import')
    .description(
      'import chat-threads.json, chat-messages.json and chat-tool-events.json; a second run changes nothing',
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
      'where records go that cannot be imported',
      'session-db-quarantine.ndjson',
    )
    .option('--json', 'print the report as one JSON line')
    .action(runImport)
}

async function runImport(options: ImportCommandOptions, command: Command): Promise<void> {
  const database = requireDatabaseUrl(command)
  const legacy = await import('../../legacy/index.ts')
  if ((await legacy.readManifest(options.data)) !== undefined) {
    return importExported(database, options)
  }
  const { user } = options
  if (user === undefined) return command.error("required option '--user <id>' not specified")
  const { formatImportReport, importLegacySnapshots, importSessionUploads } = legacy
  const progress = createProgressLine(process.stderr)
  const common = {
    database,
    dataDir: options.data,
    tenantId: options.tenant,
    userId: user,
    visibility: options.visibility,
    dryRun: options.dryRun ?? false,
  }
  // First, so that a chat finds the session of its upload.
  const uploads = await importSessionUploads(common)
  const report = await importLegacySnapshots({
    ...common,
    strict: options.strict ?? false,
    salvage: options.salvage ?? false,
    quarantineFile: options.quarantine,
    ...(!options.json && { onProgress: (step) => progress.show(progressStep(step)) }),
  }).finally(progress.end)
  if (!uploads.found) refuseNothing(report, options.data)
  const style = { width: process.stdout.columns ?? 100, colors: colorsFor(process.stdout) }
  const text = options.json
    ? JSON.stringify({ ...report, uploads, ok: report.ok && uploads.ok })
    : [...uploadLines(uploads), formatImportReport(report, style)].join('\n')
  process.stdout.write(`${text}\n`)
  if (!report.ok || !uploads.ok) process.exitCode = 1
}

function uploadLines({
  found,
  inFile,
  inserted,
  alreadyThere,
  badRecords,
}: UploadsReport): string[] {
  if (!found) return []
  const bad = badRecords.map(
    ({ line, id, reason }) =>
      `  session-uploads.ndjson line ${line}${id ? ` ${id}` : ''}: ${reason}`,
  )
  return [
    `uploads: ${inFile} in session-uploads.ndjson, ${inserted} new, ${alreadyThere} already there`,
    ...bad,
  ]
}

/** Imports what `session-db export` wrote. */
async function importExported(database: string, options: ImportCommandOptions): Promise<void> {
  const { formatRestoreReport, importExport } = await import('../../legacy/index.ts')
  const report = await importExport({
    database,
    directory: options.data,
    tenantId: options.tenant,
    dryRun: options.dryRun ?? false,
  })
  const style = { colors: colorsFor(process.stdout) }
  const text = options.json ? JSON.stringify(report) : formatRestoreReport(report, style)
  process.stdout.write(`${text}\n`)
  if (!report.ok) process.exitCode = 1
}

function progressStep({ stage, file, done, total }: ImportProgress) {
  const isBytes = stage === 'reading'
  const label = file === undefined ? stage : `${stage} ${file}`
  const messages = (amount: number) => amount.toLocaleString('en-US')
  return { label, done, total, format: isBytes ? formatBytes : messages }
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
