import { Command, InvalidArgumentError } from 'commander'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabase } from '../options.ts'

interface CommandOptions {
  readonly tenant: string
  readonly user?: string
  readonly session?: string
  readonly limit: number
  readonly json?: true
}

/** Creates `session-db audit`: lists who shared, unshared, deleted, exported and erased. */
export function auditCommand(): Command {
  return new Command('audit')
    .description('list who shared, unshared, deleted, exported and erased, the latest first')
    .requiredOption('--tenant <id>', 'the tenant')
    .option('--user <id>', 'only actions of this user')
    .option('--session <id>', 'only actions on this session')
    .option('--limit <number>', 'number of entries, at most 1,000', limitOf, 100)
    .addOption(databaseUrlOption())
    .option('--json', 'print each entry as a line of JSON')
    .action(run)
}

function limitOf(text: string): number {
  const limit = Number(text)
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1_000) return limit
  throw new InvalidArgumentError('pass a number from 1 to 1000')
}

async function run(options: CommandOptions, command: Command): Promise<void> {
  const database = requireDatabase(command)
  const { listAudit } = await import('../../ops/index.ts')
  const { tenant: tenantId, user: userId, session: sessionId, limit } = options
  const entries = await listAudit({ database, tenantId, userId, sessionId, limit })
  const { dim } = colorsFor(process.stdout)
  for (const entry of entries) {
    const { at, userId: by, action, sessionId: session, details } = entry
    const about = Object.entries(details).map(([name, value]) => `${name}=${String(value)}`)
    const words = [action.padEnd(7), by ?? '(operator)', session ?? '-', ...about].join('  ')
    process.stdout.write(
      options.json ? `${JSON.stringify(entry)}\n` : `${dim(at.toISOString())}  ${words}\n`,
    )
  }
}
