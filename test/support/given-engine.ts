import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { query } from './query.ts'

/** A Postgres and an Electric that run outside of the tests. */
export interface GivenEngine {
  readonly databaseUrl: string
  /** Base URL of Electric, without a slash at its end. */
  readonly electricUrl: string
  readonly secret: string | undefined
}

/** A table that marks databases which the tests may empty. */
const MARK = 'emptied_by_session_db_tests'

/**
 * Returns the engine of DATABASE_URL and ELECTRIC_URL in `npm run test:electric`. Other runs start their own, so
 * that a developer's variables don't send them to the developer's data.
 */
export function givenEngine(): GivenEngine | undefined {
  const { TEST_ENGINE, DATABASE_URL, ELECTRIC_URL, ELECTRIC_SECRET } = process.env
  if (TEST_ENGINE !== 'given') return undefined
  if (!DATABASE_URL || !ELECTRIC_URL) {
    throw new Error(
      'Set DATABASE_URL and ELECTRIC_URL: npm run test:electric runs against an Electric and its Postgres that ' +
        'are up already (and ELECTRIC_SECRET if it has one). `node test/support/start-engine.ts` starts a stand-in.',
    )
  }
  const electricUrl = ELECTRIC_URL.replace(/\/$/, '')
  return { databaseUrl: DATABASE_URL, electricUrl, secret: ELECTRIC_SECRET }
}

/**
 * Marks the database as one that the tests may empty.
 *
 * @throws Error when it already has sessions and no mark
 */
export async function claimDatabase(url: string): Promise<void> {
  const [found] = await query<{ marked: boolean; sessions: boolean }>(
    url,
    `SELECT to_regclass('${MARK}') IS NOT NULL AS marked, to_regclass('sessions') IS NOT NULL AS sessions`,
  )
  if (found?.sessions && !found.marked) {
    const rows = await query(url, 'SELECT 1 FROM sessions LIMIT 1')
    if (rows.length > 0) {
      throw new Error(
        'DATABASE_URL has sessions that these tests have not written. They empty all tables: give them a database of ' +
          'their own, with an Electric on it.',
      )
    }
  }
  await query(url, `CREATE TABLE IF NOT EXISTS ${MARK} ()`)
}

/**
 * Empties all tables but the migrations' own, and waits until the engine has dropped its shapes of them. Otherwise the
 * next test could receive rows of this one from a shape that both ask for.
 */
export async function emptyDatabase(engine: GivenEngine): Promise<void> {
  const { databaseUrl: url } = engine
  const tables = await query<{ name: string }>(
    url,
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname IN ('public', 'auth') AND tablename <> 'session_db_migrations'`,
  )
  const dropped = tables.some(({ name }) => name === 'public.sessions')
    ? await watchForTruncation(engine)
    : async () => {}
  // Servers of an earlier test may still hold locks in another order.
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await client.query(`TRUNCATE ${tables.map(({ name }) => name).join(', ')}`)
        break
      } catch (error) {
        const isDeadlock = (error as { code?: string }).code === '40P01'
        if (!isDeadlock || attempt === 5) throw error
      }
    }
  } finally {
    await client.end()
  }
  await dropped()
}

/** Requests a shape of the sessions. Returns a function that waits until the engine has dropped the shape. */
async function watchForTruncation({
  electricUrl,
  secret,
}: GivenEngine): Promise<() => Promise<void>> {
  const shape = new URL(`${electricUrl}/v1/shape`)
  shape.searchParams.set('table', 'sessions')
  shape.searchParams.set('columns', 'tenant_id,id')
  // A tenant without rows, so that the shape is new and small.
  shape.searchParams.set('where', `tenant_id = '${randomUUID()}'`)
  if (secret) shape.searchParams.set('secret', secret)
  const ask = async (place: Record<string, string>) => {
    const url = new URL(shape)
    for (const [name, value] of Object.entries(place)) url.searchParams.set(name, value)
    const response = await fetch(url)
    await response.body?.cancel()
    return response
  }
  const deadline = Date.now() + 60_000
  let first = await ask({ offset: '-1' })
  // 503: the table waits for a lock.
  while (first.status !== 200) {
    if (Date.now() > deadline) throw new Error(`The engine answers ${first.status} for sessions.`)
    await pause(200)
    first = await ask({ offset: '-1' })
  }
  let { headers } = first
  return async () => {
    for (;;) {
      const handle = headers.get('electric-handle') ?? ''
      const offset = headers.get('electric-offset') ?? '-1'
      const response = await ask({ handle, offset, live: 'true' })
      if (response.status === 409) return
      if (Date.now() > deadline) throw new Error('The engine has not seen that sessions is empty.')
      if (response.ok) headers = response.headers
      else await pause(200)
    }
  }
}
