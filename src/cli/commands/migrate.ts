import { Command } from 'commander'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabase } from '../options.ts'

/** Creates `session-db migrate`: creates or updates the tables. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('create or update the tables; safe to repeat and to run concurrently')
    .addOption(databaseUrlOption())
    .option('--print-sql', 'print the SQL for your own migration tool, and change nothing')
    .option('--baseline', 'record the migrations as applied: your own tool has created the tables')
    .option(
      '--schema <schema>',
      'schema of the tables, first in the search_path of DATABASE_URL or of its role (default: public)',
    )
    .option('--json', 'print one JSON line: { applied, alreadyApplied }')
    .action(runMigrate)
}

interface Options {
  readonly json?: true
  readonly printSql?: true
  readonly baseline?: true
  readonly schema?: string
}

async function runMigrate(options: Options, command: Command): Promise<void> {
  const { json, printSql, baseline, schema } = options
  const { migrate, migrationSql } = await import('../../server/migrations/migrate.ts')
  if (printSql) {
    process.stdout.write(migrationSql())
    return
  }
  const database = requireDatabase(command)
  const { applied, alreadyApplied } = await migrate({
    database,
    ...(baseline && { baseline }),
    ...(schema !== undefined && { schema }),
  })
  if (json) {
    process.stdout.write(`${JSON.stringify({ applied, alreadyApplied })}\n`)
    return
  }
  const { green } = colorsFor(process.stdout)
  for (const name of applied)
    process.stdout.write(`${green(baseline ? 'recorded' : 'applied')} ${name}\n`)
  if (applied.length === 0) {
    process.stdout.write(`up to date (${alreadyApplied.length} applied before)\n`)
  }
}
