import type { ClientBase } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { withClient } from '../../server/connections.ts'
import { checkDatabaseUrl } from '../../server/database-failure.ts'
import type { ShapeRegistry } from '../../shapes/define-shape.ts'
import { setupNames } from '../electric-setup/names.ts'
import type { Finding } from '../finding.ts'
import { checkSlot } from '../replication-slot.ts'
import { checkClock, checkSchema, checkServer } from './database-checks.ts'
import { checkElectric } from './electric-checks.ts'
import { checkPackages } from './package-checks.ts'
import { checkPrometheus } from './prometheus-checks.ts'
import { checkProxy, type ProxyTarget } from './proxy-checks.ts'
import { checkSetup } from './setup-checks.ts'
import { checkShapes } from './shape-checks.ts'

/** The parts of the stack to check. A part without its option is reported as skipped. */
export interface DoctorOptions {
  /** Connection string of a role that may read the catalog: the tables' owner or the app's role. */
  readonly database?: string | undefined
  readonly electricRole?: string | undefined
  readonly appRole?: string | undefined
  /** Electric's `ELECTRIC_REPLICATION_STREAM_ID`. Default `default`. */
  readonly streamId?: string | undefined
  /** The app's own tables that shapes read. */
  readonly extraTables?: readonly string[] | undefined
  /** Electric's base URL. */
  readonly electricUrl?: string | undefined
  readonly electricSecret?: string | undefined
  /** The app's shape route, and headers of a signed-in user. */
  readonly proxy?: ProxyTarget | undefined
  /** The shapes that the app's proxy serves. */
  readonly shapes?: ShapeRegistry<never> | undefined
  /** Properties of the app's principal that its shapes need, beside tenant, user and groups. */
  readonly principal?: Readonly<Record<string, unknown>> | undefined
  /** Electric's metrics URL. */
  readonly electricMetricsUrl?: string | undefined
  /** The Prometheus that scrapes Electric. */
  readonly prometheusUrl?: string | undefined
  /** The app's directory, searched for duplicate packages. Default: the working directory. */
  readonly directory?: string | undefined
  /** Called with each group of findings as soon as it is known. */
  readonly onFindings?: ((findings: readonly Finding[]) => void) | undefined
  /** This machine's clock in ms since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined
}

/**
 * Checks Postgres, Electric, the app's shape route, its shapes and the installed packages for known
 * problems. Changes nothing.
 *
 * @returns one finding per check, in a fixed order. A failing check is a finding, never an exception.
 * @example
 * const findings = await runDoctor({ database: process.env.DATABASE_URL })
 * const healthy = findings.every(({ level }) => level !== 'error')
 */
export async function runDoctor(options: DoctorOptions): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const check of checks(options)) {
    const found = [await check().catch(checkFailed)].flat()
    findings.push(...found)
    options.onFindings?.(found)
  }
  return findings
}

type Check = () => Promise<Finding | Finding[]>

function checks(options: DoctorOptions): Check[] {
  const { electricUrl, electricSecret, proxy, electricMetricsUrl, prometheusUrl } = options
  let isDevelopment = false
  return [
    async () => {
      const findings = await checkDatabase(options)
      isDevelopment = findings.some(({ check }) => check === DEV_STACK)
      return findings
    },
    async () =>
      electricUrl === undefined
        ? skipped('electric-health', 'set ELECTRIC_URL to check Electric')
        : checkElectric({ url: electricUrl, secret: electricSecret, isDevelopment }),
    async () =>
      proxy === undefined
        ? skipped('proxy-auth', 'pass --proxy-url to check the app’s shape route')
        : checkProxy(proxy),
    async () =>
      options.shapes === undefined
        ? skipped('shapes', 'pass --shapes with the module of your shapes to check their cost')
        : checkShapes(options.shapes, options.principal),
    () => checkPrometheus({ url: electricMetricsUrl, prometheusUrl }),
    () => checkPackages(options.directory ?? process.cwd()),
  ]
}

/** Reports an exception, for example a missing table or privilege. */
function checkFailed(error: unknown): Finding {
  return {
    check: 'doctor',
    level: 'error',
    message: error instanceof Error ? error.message : String(error),
    fix: 'Connect as the owner of the tables, and pass the options that describe your setup (--help).',
  }
}

function skipped(check: string, message: string): Finding {
  return { check, level: 'skipped', message }
}

async function checkDatabase(options: DoctorOptions): Promise<Finding[]> {
  const { database } = options
  if (database === undefined) return [skipped('connection', 'set DATABASE_URL to check Postgres')]
  try {
    checkDatabaseUrl(database)
  } catch (error) {
    return [noConnection(error)]
  }
  try {
    return await withClient(database, (client) => checksIn(client, options))
  } catch (error) {
    if (!(error instanceof SessionDbError && error.code === 'unavailable')) throw error
    return [noConnection(error)]
  }
}

function noConnection(error: unknown): Finding {
  return {
    check: 'connection',
    level: 'error',
    message: error instanceof Error ? error.message : String(error),
    fix: 'Correct DATABASE_URL, or start Postgres. For development, `npx session-db dev` starts one and prints its URL.',
  }
}

const DEV_STACK = 'dev-stack'

async function checksIn(client: ClientBase, options: DoctorOptions): Promise<Finding[]> {
  const names = setupNames(options)
  const schema = await checkSchema(client)
  const migrated = schema.every(({ check, level }) => check !== 'migrations' || level !== 'error')
  return [
    { check: 'connection', level: 'ok', message: 'connected' },
    ...(await checkServer(client)),
    ...schema,
    ...((await isReadByDevStack(client, names.slot))
      ? [devStack()]
      : [
          ...(migrated
            ? await checkSetup(client, names)
            : [skipped('electric-role', 'tables are not up to date')]),
          await checkSlot(client, names.slot),
        ]),
    await checkClock(client, options.now ?? Date.now),
  ]
}

/**
 * Returns true if the shape server of `session-db dev` replicates this database, and Electric doesn't.
 * The shape server connects as a superuser, and creates its publication and its slot when it starts.
 */
async function isReadByDevStack(client: ClientBase, electricSlot: string): Promise<boolean> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT slot_name AS name FROM pg_replication_slots
     WHERE database = current_database() AND active
       AND (slot_name = $1 OR starts_with(slot_name, 'session_db_shapes_'))`,
    [electricSlot],
  )
  return rows.length > 0 && rows.every(({ name }) => name !== electricSlot)
}

function devStack(): Finding {
  const message = 'development stack of `session-db dev`; it needs no roles, publication or slot'
  return { check: DEV_STACK, level: 'ok', message }
}
