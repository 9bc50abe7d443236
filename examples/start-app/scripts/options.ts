import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

const HELP = `npm run demo -- [options]

  --port PORT      port of the app (default: PORT, otherwise 3000, otherwise any free one)
  --instances N    number of servers behind a small load balancer, 1 to 8 (default: 1, without a balancer)
  --data-dir DIR   directory of the embedded database (default: examples/start-app/.session-db)
  --dev            serve the app with Vite, which reloads it while you edit
  --json           print one JSON line: { url, databaseUrl, electricUrl, dataDir, instances }

DATABASE_URL and ELECTRIC_URL (and ELECTRIC_SECRET), set together, replace the embedded stack.
BETTER_AUTH_SECRET signs cookies; by default one is generated and stored in the data directory.`

/** The options of the demo. */
export interface DemoOptions {
  /** Default: 3000, or any free one. */
  readonly port: number | undefined
  readonly instances: number
  readonly dataDir: string
  /** Serves the sources with Vite instead of a build. */
  readonly dev: boolean
  readonly json: boolean
}

/** Parses the command line. Exits after the help or an error. */
export function readOptions(appDir: string): DemoOptions {
  const values = readArguments()
  if (values.help) {
    process.stdout.write(`${HELP}\n`)
    process.exit(0)
  }
  const port = values.port ?? process.env.PORT
  // npm runs this in the app's folder, but relative paths start in the user's.
  const dataDir = values['data-dir']
    ? resolve(process.env.INIT_CWD ?? '.', values['data-dir'])
    : resolve(appDir, '.session-db')
  return {
    port: port === undefined ? undefined : numberOf('port', port, 0, 65_535),
    instances: numberOf('number of instances', values.instances, 1, 8),
    dataDir,
    dev: values.dev,
    json: values.json,
  }
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        port: { type: 'string' },
        instances: { type: 'string', default: '1' },
        'data-dir': { type: 'string' },
        dev: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
  }
}

function numberOf(what: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  return refuse(`The ${what} must be a number from ${least} to ${most}, not "${text}".`)
}

function refuse(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}
