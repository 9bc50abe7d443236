import { Command } from 'commander'
import type { DevStack, DevStackOptions } from '../../dev/index.ts'
import { colorsFor } from '../colors.ts'
import { parseBytes, parsePort } from '../options.ts'

type DevOptions = Pick<
  DevStackOptions,
  'directory' | 'database' | 'password' | 'port' | 'electricPort' | 'chunkBytes' | 'secret'
> & { json?: true }

/** Creates `session-db dev`: runs the embedded stack until a signal arrives. */
export function devCommand(): Command {
  return new Command('dev')
    .description('run Postgres and a shape server for development until Ctrl-C')
    .option('--directory <dir>', 'directory for the data', '.session-db')
    .option('--database <name>', 'database name (default: session_db)')
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
    .action(runDev)
}

async function runDev({ json, ...options }: DevOptions): Promise<void> {
  const { startDevStack } = await import('../../dev/index.ts')
  const { dim } = colorsFor(process.stderr)
  const log = (message: string) => process.stderr.write(`${dim(`session-db: ${message}`)}\n`)
  let fail: (error: Error) => void = () => {}
  const failure = new Promise<never>((_, reject) => {
    fail = reject
  })
  // Until the stack is up, a signal ends this process and with it the processes that it started.
  const stack = await startDevStack({ ...options, log, onUnexpectedExit: fail })
  try {
    process.stdout.write(`${json ? jsonLine(stack) : readyLine(stack)}\n`)
    await Promise.race([stopSignal(), failure])
    log('stopping')
  } finally {
    await stack.stop()
  }
}

function jsonLine({ databaseUrl, electricUrl, directory }: DevStack): string {
  return JSON.stringify({ databaseUrl, electricUrl, directory })
}

function readyLine({ databaseUrl, electricUrl }: DevStack): string {
  const { bold, green, dim } = colorsFor(process.stdout)
  const variable = (name: string, value: string) => `${dim(`${name}=`)}${bold(value)}`
  return [
    green('ready'),
    variable('DATABASE_URL', databaseUrl),
    variable('ELECTRIC_URL', electricUrl),
    dim('(Ctrl-C stops)'),
  ].join('  ')
}

/** Resolves on the first signal. A second one exits immediately. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(1)
        asked = true
        resolve()
      })
    }
  })
}
