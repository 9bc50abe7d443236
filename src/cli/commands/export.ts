import { Command } from 'commander'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabaseUrl } from '../database-url.ts'
import { createProgressLine } from '../progress-line.ts'
import { addS3Options, type S3Options, s3Contents } from '../s3-contents.ts'

type ExportCommandOptions = S3Options & {
  tenant: string
  user?: string
  out: string
  json?: true
}

/** `session-db export`: writes a tenant's or a user's data to a directory. */
export function exportCommand(): Command {
  const command = new Command('export')
    .description("write a tenant's or a user's data as NDJSON; session-db import takes it back")
    .requiredOption('--tenant <id>', 'the tenant to export')
    .option('--user <id>', "only this user's data, as a data request asks for")
    .requiredOption('--out <dir>', 'a new directory')
    .addOption(databaseUrlOption())
    .option('--json', 'print the manifest as one JSON line')
  return addS3Options(command).action(runExport)
}

async function runExport(options: ExportCommandOptions, command: Command): Promise<void> {
  const database = requireDatabaseUrl(command)
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
