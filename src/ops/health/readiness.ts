import type { ClientBase, Pool } from 'pg'
import { readMigrationState } from '../../server/migrations/migration-state.ts'
import { askHealth } from '../doctor/electric-checks.ts'
import { readSlot } from '../doctor/slot-checks.ts'
import { electricNames } from '../electric-setup/electric-names.ts'

/** One thing the app depends on. */
export interface HealthCheck {
  readonly name: 'database' | 'migrations' | 'electric' | 'replication'
  readonly ok: boolean
  /** What is wrong, without names of hosts or roles. */
  readonly reason?: string
  /** How long looking took, in ms. */
  readonly durationMs: number
}

/** What readiness looks at. */
export interface ReadinessOptions {
  /** The app's own pool. */
  readonly database: Pool
  /** Base URL of Electric; not looked at unless given. */
  readonly electricUrl?: string | undefined
  /** Electric's `ELECTRIC_REPLICATION_STREAM_ID`; false where Electric's slot is on another server. */
  readonly streamId?: string | false | undefined
  /** How long each check may take, in ms; 2,000 unless given. */
  readonly timeoutMs?: number | undefined
}

/** Looks at everything at once. Never rejects. */
export async function readReadiness(options: ReadinessOptions): Promise<HealthCheck[]> {
  const { database, electricUrl, streamId, timeoutMs = 2_000 } = options
  const { slot } = electricNames(streamId || undefined)
  const check = (name: HealthCheck['name'], look: () => Promise<string | undefined>) =>
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
  return slot.active ? undefined : 'nobody reads the replication slot'
}

async function timed(
  name: HealthCheck['name'],
  look: () => Promise<string | undefined>,
  timeoutMs: number,
): Promise<HealthCheck> {
  const started = performance.now()
  const reason = await Promise.race([look().catch(shortly), late(timeoutMs)])
  const durationMs = Math.round(performance.now() - started)
  return reason === undefined
    ? { name, ok: true, durationMs }
    : { name, ok: false, reason, durationMs }
}

/** The kind of an error, not its text: a text can name hosts and roles. */
function shortly(error: unknown): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? `failed (${code})` : 'failed'
}

function late(timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    setTimeout(resolve, timeoutMs, `no answer within ${timeoutMs} ms`).unref()
  })
}
