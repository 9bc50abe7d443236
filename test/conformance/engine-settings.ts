import { Client } from 'pg'
import { exchangesOf, type Recording } from './recording.ts'
import type { Target } from './replay.ts'

/** The settings of an engine, as far as answers show them. */
interface EngineSettings {
  readonly secret: 'none' | 'recorded' | 'another'
  /** A live request without news ends after 2 s, not after Electric's default of 20 s. */
  readonly endsPollsEarly: boolean
  readonly allowsDeletion: boolean
  readonly hasDefaultAges: boolean
  readonly postgres: number
}

const RECORDED_SECRET = 'rec-secret'
const DEFAULT_AGES = 'public, max-age=60, stale-while-revalidate=300'
const PROBE_TABLE = 'conformance_probe'

/**
 * Asks an engine for its settings, by requests.
 *
 * @returns a function that gives the setting which a recording needs and the engine does not have, or undefined
 */
export async function readSettings(
  target: Target,
): Promise<(recording: Recording) => string | undefined> {
  const settings = await probe(target)
  return (recording) => missingSetting(recording, settings)
}

function missingSetting(recording: Recording, settings: EngineSettings): string | undefined {
  const { secret, endsPollsEarly, allowsDeletion, hasDefaultAges, postgres } = settings
  const wantsSecret = recording.config?.ELECTRIC_SECRET !== undefined
  if (secret !== (wantsSecret ? 'recorded' : 'none')) {
    return wantsSecret
      ? `ELECTRIC_SECRET=${RECORDED_SECRET}`
      : 'no ELECTRIC_SECRET (ELECTRIC_INSECURE=true)'
  }
  if (!hasDefaultAges) {
    return 'no ELECTRIC_CACHE_MAX_AGE and no ELECTRIC_CACHE_STALE_AGE'
  }
  const waits = recording.config?.ELECTRIC_LONG_POLL_TIMEOUT !== undefined
  if (waits && !endsPollsEarly) return 'ELECTRIC_LONG_POLL_TIMEOUT=2000'
  const deletes = recording.steps.some((step) =>
    exchangesOf(step).some(({ request }) => request.method === 'DELETE'),
  )
  if (deletes && allowsDeletion === wantsSecret) {
    return wantsSecret
      ? 'no ELECTRIC_ENABLE_INTEGRATION_TESTING'
      : 'ELECTRIC_ENABLE_INTEGRATION_TESTING=true'
  }
  const isGenerated = recording.setup.some((sql) => sql.includes('GENERATED ALWAYS AS ('))
  return isGenerated && postgres >= 180_000 ? 'Postgres 17 or older' : undefined
}

async function probe({ url, databaseUrl }: Target): Promise<EngineSettings> {
  const postgres = await createProbeTable(databaseUrl)
  const request = (query: Record<string, string>, init?: RequestInit) =>
    fetch(`${url}/v1/shape?${new URLSearchParams({ table: PROBE_TABLE, ...query })}`, init)
  const open = await request({ offset: '-1' })
  const secret: Record<string, string> = open.status === 401 ? { secret: RECORDED_SECRET } : {}
  const first = open.status === 401 ? await request({ ...secret, offset: '-1' }) : open
  const unknown = { allowsDeletion: false, endsPollsEarly: false, hasDefaultAges: true, postgres }
  if (first.status === 401) return { ...unknown, secret: 'another' }
  if (!first.ok) throw new Error(`The engine answers ${first.status}: ${await first.text()}`)

  const read = (after: Response, more: Record<string, string> = {}, init?: RequestInit) => {
    const handle = after.headers.get('electric-handle') ?? ''
    const offset = after.headers.get('electric-offset') ?? ''
    return request({ ...secret, ...more, handle, offset }, init)
  }
  const second = await read(first)
  const [endsPollsEarly, deletion] = await Promise.all([
    read(second, { live: 'true' }, { signal: AbortSignal.timeout(5_000) }).then(
      ({ ok }) => ok,
      () => false,
    ),
    request({ ...secret, handle: 'unknown' }, { method: 'DELETE' }),
  ])
  return {
    secret: open === first ? 'none' : 'recorded',
    endsPollsEarly,
    allowsDeletion: deletion.status !== 405,
    hasDefaultAges: second.headers.get('cache-control') === DEFAULT_AGES,
    postgres,
  }
}

/** Returns the version of Postgres, `server_version_num`. */
async function createProbeTable(databaseUrl: string): Promise<number> {
  const database = new Client({ connectionString: databaseUrl })
  await database.connect()
  try {
    await database.query(`CREATE TABLE IF NOT EXISTS ${PROBE_TABLE} (id int PRIMARY KEY)`)
    const { rows } = await database.query<{ version: number }>(
      `SELECT current_setting('server_version_num')::int AS version`,
    )
    return rows[0]?.version ?? 0
  } finally {
    await database.end()
  }
}
