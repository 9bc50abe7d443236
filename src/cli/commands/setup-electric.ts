import { Command, Option } from 'commander'
import type { ElectricSetup, ElectricSetupOptions } from '../../ops/index.ts'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabaseUrl } from '../database-url.ts'
import { collect } from '../option-parsers.ts'

interface CommandOptions extends Omit<ElectricSetupOptions, 'database' | 'extraTables'> {
  readonly table?: readonly string[]
  readonly apply?: true
  readonly json?: true
}

/** `session-db setup-electric`: what a database needs so that Electric can replicate from it. */
export function setupElectricCommand(): Command {
  return new Command('setup-electric')
    .description('print the SQL that Electric and the app need, least privilege; --apply runs it')
    .addOption(databaseUrlOption())
    .option('--apply', 'run the statements, in one transaction')
    .option('--electric-role <role>', 'Electric’s role (default: electric)')
    .option('--app-role <role>', 'the app’s role (default: session_db_app)')
    .addOption(
      new Option('--electric-password <password>', 'for a new role (default: generated)').env(
        'SESSION_DB_ELECTRIC_PASSWORD',
      ),
    )
    .addOption(
      new Option('--app-password <password>', 'for a new role (default: generated)').env(
        'SESSION_DB_APP_PASSWORD',
      ),
    )
    .option('--stream-id <id>', 'Electric’s ELECTRIC_REPLICATION_STREAM_ID (default: default)')
    .option('--table <table>', 'a table of your own that shapes read; repeatable', collect(String))
    .option('--json', 'print one JSON line: { server, steps, applied, passwords, names }')
    .action(run)
}

async function run(options: CommandOptions, command: Command): Promise<void> {
  const database = requireDatabaseUrl(command)
  const { applySetup, planSetup } = await import('../../ops/index.ts')
  const { apply, json, table, ...rest } = options
  const setUp = apply ? applySetup : planSetup
  const setup = await setUp({ database, ...rest, ...(table && { extraTables: table }) })
  if (json) process.stdout.write(`${JSON.stringify(setup)}\n`)
  else await print(setup, database)
  if (setup.server.some(({ level }) => level === 'error')) process.exitCode = 1
}

async function print(setup: ElectricSetup, database: string): Promise<void> {
  const { formatFinding } = await import('../../ops/index.ts')
  const { dim, green, yellow } = colorsFor(process.stdout)
  for (const finding of setup.server) {
    // Not in the way of what is printed to be run.
    if (finding.level !== 'ok') process.stderr.write(`${yellow(formatFinding(finding))}\n`)
  }
  for (const { sql, why } of setup.steps) process.stdout.write(`${sql}; ${dim(`-- ${why}`)}\n`)
  if (setup.steps.length === 0) process.stdout.write('nothing to do: all of it is there\n')
  else if (setup.applied)
    process.stdout.write(`${green('applied')} ${setup.steps.length} statements\n`)
  else process.stderr.write(dim('Nothing has been run. Pass --apply, or give it to psql.\n'))
  printEnvironment(setup, database)
}

/** What to set where, with the passwords that are known only now. */
function printEnvironment({ applied, passwords, names }: ElectricSetup, database: string): void {
  if (!applied || Object.keys(passwords).length === 0) return
  const { bold, dim } = colorsFor(process.stdout)
  const line = (who: string, role: string, password: string) =>
    process.stdout.write(`${dim(`${who}  DATABASE_URL=`)}${bold(as(database, role, password))}\n`)
  process.stdout.write('\n')
  if (passwords.electric !== undefined) {
    line('Electric', names.electricRole, passwords.electric)
    process.stdout.write(`${dim('Electric  ')}ELECTRIC_MANUAL_TABLE_PUBLISHING=true\n`)
  }
  if (passwords.app !== undefined) line('the app ', names.appRole, passwords.app)
}

function as(database: string, role: string, password: string): string {
  const url = new URL(database)
  url.username = encodeURIComponent(role)
  url.password = encodeURIComponent(password)
  return url.href
}
