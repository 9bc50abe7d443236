import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Command } from 'commander'
import type { DevStack, DevStackOptions } from '../../dev/index.ts'
import { SessionDbError } from '../../errors.ts'
import { colorsFor } from '../colors.ts'
import { parseBytes, parsePort } from '../options.ts'

type DevOptions = Pick<
  DevStackOptions,
  'directory' | 'database' | 'password' | 'port' | 'electricPort' | 'chunkBytes' | 'secret'
> & { json?: true; schema?: string }

/** Creates `session-db dev`: runs the embedded stack until a signal arrives. */
export function devCommand(): Command {
  return new Command('dev')
    .description('run Postgres and a shape server for development until Ctrl-C')
    .argument(
      '[command...]',
      'after --: a command to run with DATABASE_URL and ELECTRIC_URL set and the tables migrated',
    )
    .option('--directory <dir>', 'directory for the data', '.session-db')
    .option('--database <name>', 'database name (default: session_db)')
    .option('--schema <schema>', 'schema of the tables, put into DATABASE_URL (default: public)')
    .option('--password <password>', 'superuser password of a new database (default: generated)')
    .option('--port <port>', 'port of Postgres (default: the last one, or a free one)', parsePort)
    .option(
      '--electric-port <port>',
      'port of the shape server (default: the last one, or a free one)',
      parsePort,
    )
    .option('--chunk-bytes <bytes>', "maximum size of a chunk of a shape's log", parseBytes)
    .option('--secret <secret>', 'require this secret on every shape request')
    .option('--json', 'print one JSON line: { databaseUrl, electricUrl, directory }')
    .addHelpText('after', '\nExample: session-db dev -- npm run dev')
    .action(runDev)
}

async function runDev(command: string[], given: DevOptions): Promise<void> {
  const { json, schema, ...options } = given
  const { startDevStack } = await import('../../dev/index.ts')
  const { dim } = colorsFor(process.stderr)
  const log = (message: string) => process.stderr.write(`${dim(`session-db: ${message}`)}\n`)
  let fail: (error: Error) => void = () => {}
  const failure = new Promise<never>((_, reject) => {
    fail = reject
  })
  // Until the stack is up, a signal ends this process and with it the processes that it started.
  const stack = await startDevStack({ ...options, log, onUnexpectedExit: fail })
  const databaseUrl = withSearchPath(stack.databaseUrl, schema)
  const variables = {
    DATABASE_URL: databaseUrl,
    ELECTRIC_URL: stack.electricUrl,
    ...(options.secret !== undefined && { ELECTRIC_SECRET: options.secret }),
  }
  try {
    if (command.length > 0) {
      process.exitCode = await Promise.race([
        runCommand(command, variables, failure, schema),
        failure,
      ])
    } else {
      process.stdout.write(`${json ? jsonLine({ ...stack, databaseUrl }) : readyText(variables)}\n`)
      await Promise.race([stopSignal(), failure])
    }
    log('stopping')
  } finally {
    await stack.stop()
  }
}

/** Migrates the database and runs a command on it; stops it if the stack fails. Returns its exit code. */
async function runCommand(
  [program = '', ...args]: readonly string[],
  variables: { readonly DATABASE_URL: string },
  failure: Promise<never>,
  schema: string | undefined,
): Promise<number> {
  const { migrate } = await import('../../server/index.ts')
  await migrate({ database: variables.DATABASE_URL, ...(schema !== undefined && { schema }) })
  const env = { ...process.env, ...variables }
  // On Windows, npm and npx are scripts, which only a shell runs.
  const child = spawn(program, args, { env, stdio: 'inherit', shell: process.platform === 'win32' })
  const exited = once(child, 'exit').catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new SessionDbError('invalid', `Cannot run ${program}: ${reason}`, { cause })
  })
  failure.catch(() => child.kill())
  void stopSignal((signal) => passOn(child, signal))
  const [code] = await exited
  return typeof code === 'number' ? code : 1
}

/** Returns the URL of connections that find their tables in a schema. */
function withSearchPath(databaseUrl: string, schema: string | undefined): string {
  if (schema === undefined) return databaseUrl
  const url = new URL(databaseUrl)
  url.searchParams.set('options', `-csearch_path=${schema}`)
  return url.href
}

/** Passes a signal on, but not Ctrl-C in a terminal, which reaches the command by itself. */
function passOn(child: ChildProcess, signal: NodeJS.Signals): void {
  if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
}

function jsonLine({ databaseUrl, electricUrl, directory }: DevStack): string {
  return JSON.stringify({ databaseUrl, electricUrl, directory })
}

function readyText(variables: Readonly<Record<string, string>>): string {
  const { bold, green, dim } = colorsFor(process.stdout)
  const quoted = (value: string) => `'${value.replaceAll("'", "'\\''")}'`
  return [
    `${green('ready')} ${dim('(Ctrl-C stops). In other terminals:')}`,
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${bold(quoted(value))}`),
  ].join('\n')
}

/** Resolves on the first signal. A second one exits immediately. */
function stopSignal(onSignal: (signal: NodeJS.Signals) => void = () => {}): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(1)
        asked = true
        onSignal(signal)
        resolve()
      })
    }
  })
}
