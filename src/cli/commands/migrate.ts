import { Command } from 'commander'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabase } from '../options.ts'

/** Creates `session-db migrate`: creates or updates the tables. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('create or update the tables; safe to repeat and to run concurrently')
    .addOption(databaseUrlOption())
    .option('--json', 'print one JSON line: { applied, alreadyApplied }')
    .action(runMigrate)
}

async function runMigrate({ json }: { json?: true }, command: Command): Promise<void> {
  const database = requireDatabase(command)
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
