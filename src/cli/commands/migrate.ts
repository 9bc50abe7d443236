import { Command } from 'commander'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabaseUrl } from '../database-url.ts'

/** `session-db migrate`: brings a database to the schema this version needs. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('create or update the tables; safe to run any number of times, from anywhere')
    .addOption(databaseUrlOption())
    .option('--json', 'print one JSON line: { applied, alreadyApplied }')
    .action(runMigrate)
}

async function runMigrate({ json }: { json?: true }, command: Command): Promise<void> {
  const database = requireDatabaseUrl(command)
  const { migrate } = await import('../../server/index.ts')
  const { applied, alreadyApplied } = await migrate({ database })
  if (json) {
    process.stdout.write(`${JSON.stringify({ applied, alreadyApplied })}\n`)
    return
  }
  const { green } = colorsFor(process.stdout)
  for (const name of applied) process.stdout.write(`${green('applied')} ${name}\n`)
  if (applied.length === 0) {
    process.stdout.write(`up to date (${alreadyApplied.length} applied before)\n`)
  }
}
