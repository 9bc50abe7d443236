import { Command } from 'commander'
import type { DevStack, DevStackOptions } from '../../dev/index.ts'
import { colorsFor } from '../colors.ts'
import { parseBytes, parsePort } from '../option-parsers.ts'

type DevOptions = Pick<
  DevStackOptions,
  'dataDir' | 'database' | 'password' | 'port' | 'electricPort' | 'chunkBytes' | 'secret'
> & { json?: true }

/** `session-db dev`: runs the embedded stack until it is told to stop. */
export function devCommand(): Command {
  return new Command('dev')
    .description('run Postgres and a shape server for development, until Ctrl-C')
    .option('--data-dir <dir>', 'where the data stays', '.session-db')
    .option('--database <name>', 'the database to serve (default: session_db)')
    .option('--password <password>', "the superuser's, for new data (default: a generated one)")
    .option(
      '--port <port>',
      'TCP port of Postgres (default: as last time, or a free one)',
      parsePort,
    )
    .option('--electric-port <port>', 'TCP port of the shape server (default: likewise)', parsePort)
    .option('--chunk-bytes <bytes>', "size at which a shape's log is cut", parseBytes)
    .option('--secret <secret>', 'ask every shape request for this secret')
    .option('--json', 'print one JSON line: { databaseUrl, electricUrl, dataDir }')
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
  // Until the stack is up a signal simply ends this process, and what it started ends with it.
  const stack = await startDevStack({ ...options, log, onUnexpectedExit: fail })
  try {
    process.stdout.write(`${json ? jsonLine(stack) : readyLine(stack)}\n`)
    await Promise.race([stopSignal(), failure])
    log('stopping')
  } finally {
    await stack.stop()
  }
}

function jsonLine({ databaseUrl, electricUrl, dataDir }: DevStack): string {
  return JSON.stringify({ databaseUrl, electricUrl, dataDir })
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

/** Resolves at the first signal; a second one, while stopping, ends the process at once. */
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
