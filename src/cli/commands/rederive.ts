import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { SessionDbError } from '../../errors.ts'
import type { TimelineParser } from '../../timeline/parser.ts'
import {
  addS3Options,
  databaseUrlOption,
  requireDatabase,
  type S3Options,
  s3Contents,
} from '../options.ts'
import { createProgressLine } from '../progress-line.ts'

type CommandOptions = S3Options & {
  readonly tenant?: string
  readonly format?: string
  readonly all?: true
  readonly parsers?: string
  readonly run?: true
  readonly dryRun?: true
  readonly json?: true
}

/** Creates `session-db rederive`: derives timelines again from their contents. */
export function rederiveCommand(): Command {
  const command = new Command('rederive')
    .description('derive timelines again that an older version of a parser has derived')
    .addOption(databaseUrlOption())
    .option('--tenant <id>', 'only this tenant')
    .option('--format <name>', 'only sessions of this format, for example other')
    .option('--all', 'also timelines that the current versions have derived')
    .option('--parsers <module>', 'module of the app that exports its own `parsers`')
    .option('--run', 'derive them in this process instead of in the workers of the app')
    .option('--dry-run', 'count them and queue none')
    .option('--json', 'print one JSON line: { sessions }')
  return addS3Options(command).action(run)
}

async function run(options: CommandOptions, command: Command): Promise<void> {
  const database = requireDatabase(command)
  const { rederiveSessions } = await import('../../server/uploads/derivation/rederive.ts')
  const parsers = options.parsers === undefined ? [] : await loadParsers(options.parsers)
  const { tenant: tenantId, format, all, dryRun } = options
  const queued = await rederiveSessions({ database, tenantId, format, all, dryRun, parsers })
  if (options.run && !options.dryRun) await deriveHere(database, options, parsers)
  process.stdout.write(
    options.json ? `${JSON.stringify(queued)}\n` : describe(queued.sessions, options),
  )
}

async function loadParsers(file: string): Promise<readonly TimelineParser[]> {
  const module = (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>
  const parsers = module.parsers ?? module.default
  if (Array.isArray(parsers)) return parsers as TimelineParser[]
  throw new SessionDbError(
    'invalid',
    `${file} has no export \`parsers\`. Export an array of parsers.`,
  )
}

const POLL_MS = 500

/** Works on the queue until it is empty, beside any workers of the app. */
async function deriveHere(
  database: string,
  options: CommandOptions,
  parsers: readonly TimelineParser[],
): Promise<void> {
  const { setTimeout: pause } = await import('node:timers/promises')
  const { createSessionStore } = await import('../../server/store/index.ts')
  const { countQueued } = await import('../../server/uploads/derivation/stale.ts')
  const { withClient } = await import('../../server/connections.ts')
  const store = createSessionStore({ database, parsers, ...(await s3Contents(options)) })
  const worker = store.startWorker({ rederive: false })
  const progress = createProgressLine(process.stderr)
  try {
    const left = () => withClient(database, (client) => countQueued(client, options.tenant))
    const total = await left()
    for (let count = total; count > 0; count = await left()) {
      if (!options.json) {
        progress.show({ label: 'deriving', done: total - count, total, format: String })
      }
      await pause(POLL_MS)
    }
  } finally {
    progress.end()
    await worker.stop()
    await store.close()
  }
}

function describe(sessions: number, { dryRun, run: here }: CommandOptions): string {
  const count = `${sessions} ${sessions === 1 ? 'session' : 'sessions'}`
  if (dryRun) return `${count} due. Nothing was queued.\n`
  if (here) return `${count} derived again.\n`
  return `${count} queued. The workers of the app (store.startWorker) derive them.\n`
}
