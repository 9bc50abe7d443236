import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { SessionDbError } from '../../errors.ts'
import type { RetentionPolicy, RetentionResult } from '../../ops/index.ts'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption, requireDatabaseUrl } from '../database-url.ts'

interface CommandOptions {
  readonly olderThan?: string
  readonly policy?: string
  readonly tenant?: string
  readonly batchesOlderThan: string
  readonly dryRun?: true
  readonly json?: true
}

/** `session-db retention`: deletes what is older than its tenant keeps it. */
export function retentionCommand(): Command {
  return new Command('retention')
    .description('delete sessions nothing has happened in for a time, and old answers to batches')
    .addOption(databaseUrlOption())
    .option('--older-than <duration>', 'for every tenant, such as 90d, 12h or 2w')
    .option(
      '--policy <file>',
      'JSON instead: { "default": "90d", "tenants": { "acme": "365d", "legal": "keep" } }',
    )
    .option('--tenant <id>', 'only this tenant')
    .option('--batches-older-than <duration>', 'forget answers to write batches', '90d')
    .option('--dry-run', 'say what would go, delete nothing')
    .option('--json', 'print one JSON line: { dryRun, due, deletedSessions, forgottenBatches }')
    .action(run)
}

async function run(options: CommandOptions, command: Command): Promise<void> {
  const database = requireDatabaseUrl(command)
  const policy = await readPolicy(options, command)
  const { runRetention } = await import('../../ops/index.ts')
  const result = await runRetention({
    database,
    policy,
    tenantId: options.tenant,
    keepBatchesFor: options.batchesOlderThan,
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
    return command.error('say how long to keep: either --older-than 90d or --policy FILE')
  }
  if (olderThan !== undefined) return { default: olderThan }
  const { parseRetentionPolicy } = await import('../../ops/index.ts')
  const file = policy as string
  try {
    return parseRetentionPolicy(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    if (error instanceof SessionDbError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new SessionDbError('invalid', `${file} is no policy: ${reason}`, { cause: error })
  }
}

/** One line that changes in place on a terminal; nothing elsewhere. */
function showProgress(): (progress: {
  sessions: number
  sessionsDue: number
  rows: number
}) => void {
  const { stderr } = process
  return ({ sessions, sessionsDue, rows }) => {
    if (!stderr.isTTY) return
    stderr.write(`\r${sessions} of ${sessionsDue} sessions, ${rows} rows `)
    if (sessions >= sessionsDue) stderr.write('\n')
  }
}

function describe({ dryRun, due, deletedSessions, forgottenBatches }: RetentionResult): string {
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
  const what = dryRun
    ? `${sum} sessions and ${forgottenBatches} answers to batches would go. Nothing was deleted.`
    : `${deletedSessions} sessions and ${forgottenBatches} answers to batches deleted.`
  return `${[...table, bold(what)].join('\n')}\n`
}
