import { Command, InvalidArgumentError, Option } from 'commander'
import { parseDuration } from '../../ops/retention/retention-policy.ts'
import { colorsFor } from '../colors.ts'
import { collect } from '../options.ts'
import { formatBytes } from '../progress-line.ts'

interface CommandOptions {
  readonly url: string
  readonly token?: string
  readonly header?: readonly (readonly [name: string, value: string])[]
  readonly visibility: 'private' | 'tenant'
  readonly since?: string
  readonly once?: true
  readonly state?: string
  readonly json?: true
}

const POLL_MS = 2_000

/** Creates `session-db watch`: uploads the logs in agents' folders, and again when they grow. */
export function watchCommand(): Command {
  return new Command('watch')
    .description("upload the logs in agents' folders, and follow them as they grow, until Ctrl-C")
    .argument('<folder...>', 'folders such as ~/.codex/sessions or ~/.claude/projects')
    .requiredOption('--url <url>', "URL of the app's upload route, such as https://app/api/uploads")
    .addOption(new Option('--token <token>', 'bearer token').env('SESSION_DB_TOKEN'))
    .option('--header <name: value>', 'another header of each request', collect(parseHeader))
    .addOption(
      new Option('--visibility <visibility>', 'visibility of the new sessions')
        .choices(['private', 'tenant'])
        .default('private'),
    )
    .option('--since <duration>', 'only files changed within this time, for example 7d')
    .option('--once', 'upload what is there and end')
    .option('--state <file>', 'file that remembers what was uploaded')
    .option('--json', 'print one JSON line per upload')
    .action(run)
}

async function run(folders: string[], options: CommandOptions): Promise<void> {
  const { watchLogs } = await import('../watch/watch-logs.ts')
  const { dim, red } = colorsFor(process.stderr)
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop)
  const age = options.since === undefined ? Number.POSITIVE_INFINITY : parseDuration(options.since)
  await watchLogs({
    directories: folders,
    url: options.url.replace(/\/+$/, ''),
    headers: {
      ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
      ...Object.fromEntries(options.header ?? []),
    },
    visibility: options.visibility,
    since: new Date(Number.isFinite(age) ? Date.now() - age : 0),
    once: options.once ?? false,
    pollMs: POLL_MS,
    stateFile: options.state,
    signal: stopping.signal,
    onSent: (path, { sessionId, bytes, status }) =>
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ path, sessionId, bytes, status })}\n`
          : `${path} ${dim(`${formatBytes(bytes)}, session ${sessionId}`)}\n`,
      ),
    onFailed: (path, error) => process.stderr.write(`${path} ${red(error.message)}\n`),
  })
}

function parseHeader(text: string): readonly [name: string, value: string] {
  const [, name, value = ''] = /^([\w-]+):\s*(.*)$/.exec(text) ?? []
  if (name !== undefined) return [name, value]
  throw new InvalidArgumentError('Write a name and a value, such as "x-team: 7".')
}
