import { CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { SessionDbError } from '../errors.ts'
import { colorsFor } from './colors.ts'

/** Commander's code for errors raised with `command.error()`, whose message is already complete. */
const COMMAND_ERROR = 'commander.error'

/** Postgres's code for a missing table. */
const UNDEFINED_TABLE = '42P01'

type Failure = { code: string; message: string; details?: Readonly<Record<string, unknown>> }

/**
 * Writes a command's error to stderr: one line, or JSON with `--json`. DEBUG=session-db adds the stack.
 */
export function reportFailure(error: unknown, args: readonly string[]): void {
  const failure = describeFailure(error)
  if (args.includes('--json')) {
    process.stderr.write(`${JSON.stringify({ error: failure })}\n`)
  } else {
    const { bold, red } = colorsFor(process.stderr)
    process.stderr.write(`${bold(red('session-db:'))} ${failure.message}\n`)
  }
  if (debugging() && error instanceof Error) process.stderr.write(`${error.stack}\n`)
}

/** Converts an error to a code for programs and a message for people. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ')
    const hint = error.code === COMMAND_ERROR ? '' : ' (see --help)'
    return { code: 'usage', message: message + hint }
  }
  if (error instanceof SessionDbError) {
    const { code, message, details } = error
    return { code, message, ...(details !== undefined && { details }) }
  }
  const missing = missingPackage(error)
  if (missing !== undefined) return { code: 'unavailable', message: missing }
  const message = messageOf(error)
  if ((error as { code?: unknown })?.code !== UNDEFINED_TABLE) return { code: 'failed', message }
  return { code: 'failed', message: `${message}. Create the tables with: session-db migrate` }
}

function missingPackage(error: unknown): string | undefined {
  if ((error as NodeJS.ErrnoException)?.code !== 'ERR_MODULE_NOT_FOUND') return undefined
  const name = /Cannot find package '([^']+)'/.exec((error as Error).message)?.[1]
  if (name === undefined) return undefined
  const versions: Record<string, string> = packageJson.peerDependencies
  return (
    `This command needs the package ${name}, which is not installed. ` +
    `Run: npm install "${name}@${versions[name] ?? 'latest'}"`
  )
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // A refused connection is an AggregateError without a message.
  const { code } = error as NodeJS.ErrnoException
  return error.message || code || error.name
}

function debugging(): boolean {
  return (process.env.DEBUG ?? '')
    .split(/[\s,]+/)
    .some((name) => ['session-db', '*'].includes(name))
}
