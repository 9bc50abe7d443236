import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { SessionDbError } from '../../errors.ts'
import type { RetentionPolicy, RetentionProgress, RetentionResult } from '../../ops/index.ts'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabase } from '../options.ts'

interface CommandOptions {
  readonly olderThan?: string
  readonly policy?: string
  readonly tenant?: string
  readonly usageOlderThan: string
  readonly batchesOlderThan: string
  readonly dryRun?: true
  readonly json?: true
}

/** Creates `session-db retention`: deletes inactive sessions by each tenant's policy. */
export function retentionCommand(): Command {
  return new Command('retention')
    .description('delete inactive sessions, old results of write batches and old usage')
    .addOption(databaseUrlOption())
    .option('--older-than <duration>', 'age for all tenants, for example 90d, 12h or 2w')
    .option(
      '--policy <file>',
      'JSON file with ages by tenant: { "default": "90d", "tenants": { "acme": "365d", "legal": "keep" } }',
    )
    .option('--tenant <id>', 'only this tenant')
    .option('--batches-older-than <duration>', 'age for results of write batches', '90d')
    .option('--usage-older-than <duration>', 'age for the usage of model calls', '400d')
    .option('--dry-run', 'count the due rows and delete nothing')
    .option(
      '--json',
      'print one JSON line: { dryRun, due, deletedSessions, forgottenBatches, forgottenUsage }',
    )
    .action(run)
}

async function run(options: CommandOptions, command: Command): Promise<void> {
  const database = requireDatabase(command)
  const policy = await readPolicy(options, command)
  const { runRetention } = await import('../../ops/index.ts')
  const result = await runRetention({
    database,
    policy,
    tenantId: options.tenant,
    keepBatchesFor: options.batchesOlderThan,
    keepUsageFor: options.usageOlderThan,
    dryRun: options.dryRun,
    ...(options.json === undefined && { onProgress: showProgress() }),
  })
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : describe(result))
}

async function readPolicy(
  { olderThan, policy }: CommandOptions,
  command: Command,
): Promise<RetentionPolicy> {
  if ((olderThan === undefined) === (policy === undefined)) {
    return command.error('pass either --older-than <duration>, for example 90d, or --policy <file>')
  }
  if (olderThan !== undefined) return { default: olderThan }
  const { parseRetentionPolicy } = await import('../../ops/retention/retention-policy.ts')
  const file = policy as string
  try {
    return parseRetentionPolicy(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    if (error instanceof SessionDbError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new SessionDbError('invalid', `Cannot read the policy ${file}: ${reason}`, {
      cause: error,
    })
  }
}

/** Redraws one line on a terminal, and writes nothing elsewhere. */
function showProgress(): (progress: RetentionProgress) => void {
  const { stderr } = process
  return ({ sessions, sessionsDue, rows }) => {
    if (!stderr.isTTY) return
    stderr.write(`\r${sessions} of ${sessionsDue} sessions, ${rows} rows `)
    if (sessions >= sessionsDue) stderr.write('\n')
  }
}

function describe(result: RetentionResult): string {
  const { dryRun, due, deletedSessions, forgottenBatches, forgottenUsage } = result
  const { bold, dim } = colorsFor(process.stdout)
  const heading = ['tenant', 'sessions', 'threads', 'messages', 'events']
  const rows = due.map((count) => [
    count.tenantId,
    ...[count.sessions, count.threads, count.messages, count.events].map(String),
  ])
  const widths = heading.map((name, index) =>
    Math.max(name.length, ...rows.map((row) => (row[index] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => {
        const width = widths[index] ?? 0
        return index === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
  const table = rows.length === 0 ? [] : [dim(line(heading)), ...rows.map(line), '']
  const sum = due.reduce((total, { sessions }) => total + sessions, 0)
  const summary = dryRun
    ? `Due: ${sum} sessions, ${forgottenBatches} batch results, ${forgottenUsage} calls of usage. Nothing was deleted.`
    : `Deleted: ${deletedSessions} sessions, ${forgottenBatches} batch results, ${forgottenUsage} calls of usage.`
  return `${[...table, bold(summary)].join('\n')}\n`
}
