import { Command } from 'commander'
import { colorsFor } from '../colors.ts'
import {
  addS3Options,
  databaseUrlOption,
  requireDatabase,
  type S3Options,
  s3Contents,
} from '../options.ts'
import { createProgressLine } from '../progress-line.ts'

type ExportCommandOptions = S3Options & {
  tenant: string
  user?: string
  out: string
  json?: true
}

/** Creates `session-db export`: writes the data of a tenant or a user to a directory. */
export function exportCommand(): Command {
  const command = new Command('export')
    .description('write the data of a tenant or a user as NDJSON; session-db import restores it')
    .requiredOption('--tenant <id>', 'the tenant')
    .option('--user <id>', 'only the data of this user, for example for a data request')
    .requiredOption('--out <dir>', 'directory to create')
    .addOption(databaseUrlOption())
    .option('--json', 'print the manifest as one JSON line')
  return addS3Options(command).action(runExport)
}

async function runExport(options: ExportCommandOptions, command: Command): Promise<void> {
  const database = requireDatabase(command)
  const { exportData } = await import('../../legacy/index.ts')
  const progress = createProgressLine(process.stderr)
  const manifest = await exportData({
    database,
    tenantId: options.tenant,
    directory: options.out,
    ...(await s3Contents(options)),
    ...(options.user !== undefined && { userId: options.user }),
    ...(!options.json && {
      onProgress: ({ table }: { table: string }) =>
        progress.show({ label: table, done: 0, total: 0, format: String }),
    }),
  }).finally(progress.end)
  if (options.json) {
    process.stdout.write(`${JSON.stringify(manifest)}\n`)
    return
  }
  const { bold, green } = colorsFor(process.stdout)
  for (const { name, rows } of manifest.files) {
    process.stdout.write(`${name.padEnd(26)} ${rows.toLocaleString('en-US').padStart(12)} rows\n`)
  }
  process.stdout.write(`${green('Exported')} to ${bold(options.out)}\n`)
}
