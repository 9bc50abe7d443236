import { Command, Option } from 'commander'
import { SessionDbError } from '../../errors.ts'
import type { ImportReport } from '../../legacy/index.ts'
import { databaseUrlOption, requireDatabaseUrl } from '../database-url.ts'

type ImportCommandOptions = {
  data: string
  tenant: string
  user: string
  visibility: 'private' | 'tenant'
  dryRun?: true
  json?: true
}

/** `session-db import`: brings an old app's JSON snapshots into the database. */
export function importCommand(): Command {
  return new Command('import')
    .description(
      'import chat-threads.json, chat-messages.json and chat-tool-events.json; a second run changes nothing',
    )
    .requiredOption('--data <dir>', "the old app's data directory")
    .requiredOption('--tenant <id>', 'the tenant to import into')
    .requiredOption('--user <id>', 'the user who gets the sessions, threads and messages')
    .addOption(databaseUrlOption())
    .addOption(
      new Option('--visibility <visibility>', 'of the sessions that are made')
        .choices(['private', 'tenant'])
        .default('private'),
    )
    .option('--dry-run', 'report what would be done and write nothing')
    .option('--json', 'print the report as one JSON line')
    .action(runImport)
}

async function runImport(options: ImportCommandOptions, command: Command): Promise<void> {
  const database = requireDatabaseUrl(command)
  const { formatImportReport, importLegacySnapshots } = await import('../../legacy/index.ts')
  const report = await importLegacySnapshots({
    database,
    dataDir: options.data,
    tenantId: options.tenant,
    userId: options.user,
    visibility: options.visibility,
    dryRun: options.dryRun ?? false,
  })
  refuseNothing(report, options.data)
  const text = options.json ? JSON.stringify(report) : formatImportReport(report)
  process.stdout.write(`${text}\n`)
  if (!report.ok) process.exitCode = 1
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
