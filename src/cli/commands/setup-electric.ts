import { Command, Option } from 'commander'
import type { ElectricSetup, ElectricSetupOptions } from '../../ops/index.ts'
import { colorsFor } from '../colors.ts'
import { formatFinding } from '../format-findings.ts'
import { collect, databaseUrlOption, requireDatabase } from '../options.ts'

interface CommandOptions extends Omit<ElectricSetupOptions, 'database' | 'extraTables'> {
  readonly table?: readonly string[]
  readonly apply?: true
  readonly json?: true
}

/** Creates `session-db setup-electric`: prints or runs the SQL that Electric and the app need. */
export function setupElectricCommand(): Command {
  return new Command('setup-electric')
    .description('print the SQL for roles, grants and publication of Electric and the app')
    .addOption(databaseUrlOption())
    .option('--apply', 'run the statements in one transaction')
    .option('--electric-role <role>', 'Electric’s role (default: electric)')
    .option('--app-role <role>', 'the app’s role (default: session_db_app)')
    .addOption(
      new Option(
        '--electric-password <password>',
        'password if Electric’s role is created (default: generated)',
      ).env('SESSION_DB_ELECTRIC_PASSWORD'),
    )
    .addOption(
      new Option(
        '--app-password <password>',
        'password if the app’s role is created (default: generated)',
      ).env('SESSION_DB_APP_PASSWORD'),
    )
    .option('--stream-id <id>', 'Electric’s ELECTRIC_REPLICATION_STREAM_ID (default: default)')
    .option('--table <table>', 'your own table that shapes read; repeatable', collect(String))
    .option('--json', 'print one JSON line: { server, steps, applied, passwords, names }')
    .action(run)
}

async function run(options: CommandOptions, command: Command): Promise<void> {
  const database = requireDatabase(command)
  const { applyElectricSetup, planElectricSetup } = await import('../../ops/index.ts')
  const { apply, json, table, ...rest } = options
  const setUp = apply ? applyElectricSetup : planElectricSetup
  const setup = await setUp({ database, ...rest, ...(table && { extraTables: table }) })
  if (json) process.stdout.write(`${JSON.stringify(setup)}\n`)
  else print(setup, database)
  if (setup.server.some(({ level }) => level === 'error')) process.exitCode = 1
}

function print(setup: ElectricSetup, database: string): void {
  const { dim, green, yellow } = colorsFor(process.stdout)
  for (const finding of setup.server) {
    // stdout is reserved for SQL, so that it can be piped to psql.
    if (finding.level !== 'ok') process.stderr.write(`${yellow(formatFinding(finding))}\n`)
  }
  for (const { sql, why, needsAdministrator } of setup.steps) {
    const reason = needsAdministrator ? `an administrator: ${why}` : why
    process.stdout.write(`${sql}; ${dim(`-- ${reason}`)}\n`)
  }
  if (setup.steps.length === 0) process.stdout.write('nothing to do: the setup is complete\n')
  else if (setup.applied)
    process.stdout.write(`${green('applied')} ${setup.steps.length} statements\n`)
  else process.stderr.write(dim('Nothing was run. Pass --apply, or pipe this to psql.\n'))
  printEnvironment(setup, database)
}

/** Prints the environment variables with the new passwords, which are not stored anywhere. */
function printEnvironment({ applied, passwords, names }: ElectricSetup, database: string): void {
  if (!applied || Object.keys(passwords).length === 0) return
  const { bold, dim } = colorsFor(process.stdout)
  const line = (service: string, role: string, password: string) =>
    process.stdout.write(
      `${dim(`${service}  DATABASE_URL=`)}${bold(urlFor(database, role, password))}\n`,
    )
  process.stdout.write('\n')
  if (passwords.electric !== undefined) {
    line('Electric', names.electricRole, passwords.electric)
    process.stdout.write(`${dim('Electric  ')}ELECTRIC_MANUAL_TABLE_PUBLISHING=true\n`)
  }
  if (passwords.app !== undefined) line('the app ', names.appRole, passwords.app)
}

function urlFor(database: string, role: string, password: string): string {
  const url = new URL(database)
  url.username = encodeURIComponent(role)
  url.password = encodeURIComponent(password)
  return url.href
}
