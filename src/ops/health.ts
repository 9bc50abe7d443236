import type { ClientBase, Pool } from 'pg'
import { readMigrationState } from '../server/migrations/migrate.ts'
import { askHealth } from './doctor/electric-checks.ts'
import { electricNames } from './electric-setup/names.ts'
import { readSlot } from './replication-slot.ts'

type CheckName = 'database' | 'migrations' | 'electric' | 'replication'

/** Options of `createHealthHandler`. */
export interface HealthHandlerOptions {
  /** The app's own pool. */
  readonly database: Pool
  /** Electric's base URL. Electric is only checked if given. */
  readonly electricUrl?: string | undefined
  /** Electric's `ELECTRIC_REPLICATION_STREAM_ID`. False if Electric's slot is on another server. */
  readonly streamId?: string | false | undefined
  /**
   * Checks that must pass before an instance takes traffic. Default `database` and `migrations`.
   * Not Electric: without it people still write and read what their browsers hold, and taking all
   * instances out of service would turn a partial failure into a complete one.
   */
  readonly required?: readonly CheckName[] | undefined
  /** Timeout of each check in ms. Default 2,000. */
  readonly timeoutMs?: number | undefined
  /** How long a result is reused, in ms. Default 1,000. */
  readonly cacheMs?: number | undefined
}

/** The body of a readiness response. */
export interface Readiness {
  /** `degraded`: a check failed that is not required. */
  readonly status: 'ready' | 'degraded' | 'not ready'
  readonly checks: readonly {
    readonly name: CheckName
    readonly ok: boolean
    /** The failure, without names of hosts or roles. */
    readonly reason?: string
    readonly durationMs: number
  }[]
}

type HealthCheck = Readiness['checks'][number]

/**
 * Creates a handler for two probes. `…/live` answers 200 while the process runs. `…/ready` answers 200
 * with `ready` or `degraded`, or 503 with `not ready`, and lists all checks with the reason of each
 * failure. It needs no sign-in, shows no secrets, runs its checks at most once a second, and never
 * rejects.
 *
 * @example
 * const serveHealth = createHealthHandler({ database: pool, electricUrl: process.env.ELECTRIC_URL })
 * const response = await serveHealth(new Request('http://app.internal/health/ready'))
 */
export function createHealthHandler(
  options: HealthHandlerOptions,
): (request: Request) => Promise<Response> {
  const required = options.required ?? ['database', 'migrations']
  const readiness = cached(options.cacheMs ?? 1_000, async () =>
    summarize(await runChecks(options), required),
  )
  return async (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return answer(405, { status: 'use GET' }, { allow: 'GET, HEAD' })
    }
    const probe = new URL(request.url).pathname.split('/').filter(Boolean).at(-1)
    if (probe === 'live') return answer(200, { status: 'live' })
    if (probe !== 'ready') return answer(404, { status: 'use /live or /ready' })
    const found = await readiness()
    return answer(found.status === 'not ready' ? 503 : 200, found)
  }
}

function summarize(checks: readonly HealthCheck[], required: readonly string[]): Readiness {
  const failed = checks.filter(({ ok }) => !ok)
  if (failed.some(({ name }) => required.includes(name))) return { status: 'not ready', checks }
  return { status: failed.length > 0 ? 'degraded' : 'ready', checks }
}

function answer(status: number, body: object, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers: { 'cache-control': 'no-store', ...headers } })
}

/** Shares a running call, and reuses its result for a while after it ended. */
function cached<Value>(forMs: number, read: () => Promise<Value>): () => Promise<Value> {
  let latest: { readonly value: Promise<Value>; readonly until: number } | undefined
  return () => {
    if (latest !== undefined && performance.now() < latest.until) return latest.value
    const value = read()
    latest = { value, until: Number.POSITIVE_INFINITY }
    void value.then(() => {
      latest = { value, until: performance.now() + forMs }
    })
    return value
  }
}

/** Runs all checks concurrently. Never rejects. */
async function runChecks(options: HealthHandlerOptions): Promise<HealthCheck[]> {
  const { database, electricUrl, streamId, timeoutMs = 2_000 } = options
  const { slot } = electricNames(streamId || undefined)
  const check = (name: CheckName, look: () => Promise<string | undefined>) =>
    timed(name, look, timeoutMs)
  return Promise.all([
    check('database', async () => {
      await database.query('SELECT 1')
      return undefined
    }),
    check('migrations', () => migrationsReason(database)),
    ...(electricUrl === undefined ? [] : [check('electric', () => electricReason(electricUrl))]),
    ...(electricUrl === undefined || streamId === false
      ? []
      : [check('replication', () => slotReason(database, slot))]),
  ])
}

async function migrationsReason(database: Pool): Promise<string | undefined> {
  const { pending } = await readMigrationState(database as unknown as ClientBase)
  return pending.length === 0 ? undefined : `not applied: ${pending.join(', ')}`
}

async function electricReason(url: string): Promise<string | undefined> {
  const answer = await askHealth({ url })
  if (answer instanceof Error) return 'no answer'
  return answer.status === 200 ? undefined : `answers ${answer.status}`
}

async function slotReason(database: Pool, name: string): Promise<string | undefined> {
  const slot = await readSlot(database, name)
  if (slot === undefined || !slot.here) return 'there is no replication slot'
  if (slot.walStatus === 'lost') return 'the replication slot is lost'
  return slot.active ? undefined : 'the replication slot is inactive'
}

async function timed(
  name: CheckName,
  look: () => Promise<string | undefined>,
  timeoutMs: number,
): Promise<HealthCheck> {
  const started = performance.now()
  const reason = await Promise.race([look().catch(failureCode), timeout(timeoutMs)])
  const durationMs = Math.round(performance.now() - started)
  return reason === undefined
    ? { name, ok: true, durationMs }
    : { name, ok: false, reason, durationMs }
}

/** Returns the error's code but not its message, which can name hosts and roles. */
function failureCode(error: unknown): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? `failed (${code})` : 'failed'
}

function timeout(ms: number): Promise<string> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, `no answer within ${ms} ms`).unref()
  })
}
