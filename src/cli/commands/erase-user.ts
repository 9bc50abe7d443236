import { Command } from 'commander'
import { databaseUrlOption, requireDatabase } from '../options.ts'

interface CommandOptions {
  readonly tenant: string
  readonly user: string
  readonly dryRun?: true
  readonly json?: true
}

/** Creates `session-db erase-user`: erases the data of one user. */
export function eraseUserCommand(): Command {
  return new Command('erase-user')
    .description('erase everything of one user; export it first if it may be wanted')
    .requiredOption('--tenant <id>', 'the tenant')
    .requiredOption('--user <id>', 'the user')
    .addOption(databaseUrlOption())
    .option('--dry-run', 'count, and erase nothing')
    .option('--json', 'print one JSON line: { dryRun, sessions, messages }')
    .action(run)
}

async function run(
  { tenant, user, dryRun, json }: CommandOptions,
  command: Command,
): Promise<void> {
  const database = requireDatabase(command)
  const { eraseUser } = await import('../../ops/index.ts')
  const result = await eraseUser({ database, tenantId: tenant, userId: user, dryRun })
  const { sessions, messages } = result
  const did = dryRun ? 'Would erase' : 'Erased'
  process.stdout.write(
    json
      ? `${JSON.stringify(result)}\n`
      : `${did} ${sessions} sessions, and ${messages} messages in sessions of others.\n`,
  )
}
