import type { ClientBase } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { withClient } from '../../server/with-client.ts'
import { setupNames } from '../electric-setup/setup-options.ts'
import type { Finding } from '../finding.ts'
import { checkClock } from './clock-checks.ts'
import { checkElectric } from './electric-checks.ts'
import { checkPackages } from './package-checks.ts'
import { checkPrometheus } from './prometheus-checks.ts'
import { checkProxy, type ProxyTarget } from './proxy-checks.ts'
import { checkSchema } from './schema-checks.ts'
import { checkServer } from './server-checks.ts'
import { checkSetup } from './setup-checks.ts'
import { checkSlot } from './slot-checks.ts'

/** What to look at. What is left out is reported as skipped. */
export interface DoctorOptions {
  /** Connection string of somebody who may read the catalog: the owner of the tables, or the app. */
  readonly databaseUrl?: string | undefined
  readonly electricRole?: string | undefined
  readonly appRole?: string | undefined
  /** Electric's `ELECTRIC_REPLICATION_STREAM_ID`; `default` unless given. */
  readonly streamId?: string | undefined
  /** Tables of the app's own that shapes read. */
  readonly extraTables?: readonly string[] | undefined
  /** Base URL of Electric. */
  readonly electricUrl?: string | undefined
  readonly electricSecret?: string | undefined
  /** The app's own shape route, and headers of somebody signed in. */
  readonly proxy?: ProxyTarget | undefined
  /** Electric's metrics URL, and the Prometheus that should scrape it. */
  readonly electricMetricsUrl?: string | undefined
  readonly prometheusUrl?: string | undefined
  /** The app's directory, to look for copies of packages; the working directory unless given. */
  readonly directory?: string | undefined
  /** Hears of each group of findings as it comes. */
  readonly onFindings?: ((findings: readonly Finding[]) => void) | undefined
  /** This machine's clock in ms since the epoch; `Date.now` unless given. */
  readonly now?: (() => number) | undefined
}

/**
 * Looks for what goes wrong in this stack, and says for each finding what to do. Changes nothing.
 *
 * @returns every check's finding, in a fixed order; it never throws for what it finds.
 * @example
 * const findings = await runDoctor({ databaseUrl: process.env.DATABASE_URL })
 * const healthy = findings.every(({ level }) => level !== 'error')
 */
export async function runDoctor(options: DoctorOptions): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const look of checks(options)) {
    const found = [await look().catch(couldNotLook)].flat()
    findings.push(...found)
    options.onFindings?.(found)
  }
  return findings
}

type Look = () => Promise<Finding | Finding[]>

function checks(options: DoctorOptions): Look[] {
  const { electricUrl, electricSecret, proxy, electricMetricsUrl, prometheusUrl } = options
  return [
    () => checkDatabase(options),
    () =>
      electricUrl === undefined
        ? skipped('electric-health', 'no ELECTRIC_URL given')
        : checkElectric({ url: electricUrl, secret: electricSecret }),
    () =>
      proxy === undefined
        ? skipped('proxy-auth', 'no URL of the app’s shape route given (--proxy-url)')
        : checkProxy(proxy),
    () => checkPrometheus({ url: electricMetricsUrl, prometheusUrl }),
    () => checkPackages(options.directory ?? process.cwd()),
  ]
}

/** Such as a table that is not there, or one this role may not read. */
function couldNotLook(error: unknown): Finding {
  return {
    check: 'doctor',
    level: 'error',
    message: error instanceof Error ? error.message : String(error),
    fix: 'Run it as the owner of the tables, with the options that describe your set-up (--help).',
  }
}

async function skipped(check: string, message: string): Promise<Finding> {
  return { check, level: 'skipped', message }
}

async function checkDatabase(options: DoctorOptions): Promise<Finding[]> {
  const { databaseUrl } = options
  if (databaseUrl === undefined) return [await skipped('connection', 'no DATABASE_URL given')]
  try {
    return await withClient(databaseUrl, (client) => lookAtDatabase(client, options))
  } catch (error) {
    if (!(error instanceof SessionDbError && error.code === 'unavailable')) throw error
    const fix = 'Start Postgres, or correct DATABASE_URL (host, port, password, sslmode).'
    return [{ check: 'connection', level: 'error', message: error.message, fix }]
  }
}

async function lookAtDatabase(client: ClientBase, options: DoctorOptions): Promise<Finding[]> {
  const names = setupNames(definedOnly(options))
  const schema = await checkSchema(client)
  const tablesAreThere = schema.every(
    ({ check, level }) => check !== 'migrations' || level !== 'error',
  )
  return [
    { check: 'connection', level: 'ok', message: 'connected' },
    ...(await checkServer(client)),
    ...schema,
    ...(tablesAreThere
      ? await checkSetup(client, names)
      : [await skipped('electric-role', 'tables are not up to date')]),
    await checkSlot(client, names.slot),
    await checkClock(client, options.now ?? Date.now),
  ]
}

function definedOnly(options: DoctorOptions): Parameters<typeof setupNames>[0] {
  const { electricRole, appRole, streamId, extraTables } = options
  return {
    ...(electricRole !== undefined && { electricRole }),
    ...(appRole !== undefined && { appRole }),
    ...(streamId !== undefined && { streamId }),
    ...(extraTables !== undefined && { extraTables }),
  }
}
