import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { migrate } from '../src/server/migrations/migrate.ts'
import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  interleave,
} from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'
import { shapeQuery } from './support/domain-data.ts'
import { createHttpClient, type HttpClient } from './support/http-get.ts'
import { followShape, type LiveClient } from './support/live-client.ts'
import { startServerProcess } from './support/server-process.ts'
import { readWholeShape, type ShapeQuery } from './support/shape-reader.ts'

const VIEWERS = 150
const LIST_USERS = 100
const LISTED_SESSIONS = 5_000
/** Samples of each step in a round. */
const REPEATS = 5
/** Time for all polls to reach the engine and wait there before the next commit. */
const SETTLE_MS = 200

/**
 * Many viewers of one shared session: opening it, a message, another session being shared meanwhile,
 * revoking and sharing again, against viewers of a shape without access conditions. With ELECTRIC_URL and
 * DATABASE_URL it measures that engine instead of the embedded one.
 */
export const benchmark: Benchmark = { name: 'audience', run }

interface Engine {
  readonly url: string
  readonly database: Client
  readonly http: HttpClient
  /** A new tenant, so that a database can be used again. */
  readonly tenantId: string
}

async function run(context: BenchContext): Promise<Comparison[]> {
  return withEngine(context, async (engine) => [
    ...(await measureViewers(context, engine)),
    ...(await measureList(context, engine)),
  ])
}

async function withEngine<T>(
  { cpuProfileDirectory }: BenchContext,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  const http = createHttpClient()
  const tenantId = `bench-${randomUUID()}`
  const { DATABASE_URL, ELECTRIC_URL: url } = process.env
  try {
    if (DATABASE_URL && url) {
      const database = new Client({ connectionString: DATABASE_URL })
      await database.connect()
      await migrate({ database: DATABASE_URL })
      return await work({ url, database, http, tenantId }).finally(() => database.end())
    }
    return await withPostgres(async (postgres) => {
      const database = await postgres.connect()
      await migrate({ database: postgres.url })
      const argument = { database: postgres.url }
      const program = 'shape-server'
      const server = await startServerProcess({ program, argument, cpuProfileDirectory })
      return await work({ url: server.url, database, http, tenantId }).finally(server.stop)
    })
  } finally {
    http.close()
  }
}

/** The session that viewers look at, through the library's shape or through a plain one. */
interface Side {
  readonly sessionId: string
  queryOf(viewer: number): ShapeQuery
}

async function measureViewers(context: BenchContext, engine: Engine): Promise<Comparison[]> {
  context.note(`opening ${VIEWERS} viewers`)
  const opening = await interleave(context.rounds, {
    ours: async () => timed(open(engine, sharedSide(engine, await addSession(engine, 'tenant')))),
    reference: async () =>
      timed(open(engine, plainSide(engine, await addSession(engine, 'tenant')))),
  })
  const ours = sharedSide(engine, await addSession(engine, 'tenant'))
  const plain = plainSide(engine, await addSession(engine, 'tenant'))
  const [ourViewers, plainViewers] = [await open(engine, ours), await open(engine, plain)]
  const reach = (viewers: readonly LiveClient[], ...sql: string[]) =>
    timeToLast(viewers, () => Promise.all(sql.map((text) => engine.database.query(text))))

  context.note('messages')
  const messages = await interleave(context.rounds * REPEATS, {
    plain: () => reach(plainViewers, message(engine, plain)),
    alone: () => reach(ourViewers, message(engine, ours)),
    shared: async () => {
      const other = await addSession(engine, 'private')
      return reach(ourViewers, grantToTenant(engine, other), message(engine, ours))
    },
  })
  context.note('revoking and sharing again')
  const moves = { plain: [] as number[], revoke: [] as number[], share: [] as number[] }
  // In this order: sharing again needs a revoke before it. The first round is not counted.
  for (let round = -1; round < context.rounds; round += 1) {
    const plainMs = await reach(plainViewers, message(engine, plain))
    const revoke = await reach(ourViewers, setVisibility(engine, ours, 'private'))
    const share = await reach(ourViewers, setVisibility(engine, ours, 'tenant'))
    if (round < 0) continue
    moves.plain.push(plainMs)
    moves.revoke.push(revoke)
    moves.share.push(share)
  }
  const { plain: reference } = messages
  const referenceName = 'a message to viewers of a plain shape'
  return [
    compare({
      name: `opening a session, ${VIEWERS} viewers`,
      unit: 'ms',
      ...opening,
      referenceName: 'a plain shape',
    }),
    compare({
      name: `message to the last of ${VIEWERS} viewers`,
      unit: 'ms',
      ours: messages.alone,
      reference,
      referenceName: 'a plain shape',
      goal: { ratio: 1.3 },
    }),
    compare({
      name: 'message while another session is shared',
      unit: 'ms',
      ours: messages.shared,
      reference: messages.alone,
      referenceName: 'the message alone',
      goal: { ratio: 1.1 },
    }),
    compare({
      name: `revoking from ${VIEWERS} viewers`,
      unit: 'ms',
      ours: moves.revoke,
      reference: moves.plain,
      referenceName,
    }),
    compare({
      name: `sharing again with ${VIEWERS} viewers`,
      unit: 'ms',
      ours: moves.share,
      reference: moves.plain,
      referenceName,
    }),
  ]
}

/**
 * Counts the requests that no shared cache could answer: those with different URLs. A user's list is the
 * tenant's sessions and its own.
 */
async function measureList(context: BenchContext, engine: Engine): Promise<Comparison[]> {
  context.note(`listing ${LISTED_SESSIONS} sessions`)
  await engine.database.query(
    `INSERT INTO sessions (tenant_id, id, owner_id, title, visibility)
     SELECT $1, 'listed-' || n, 'owner', 'Session ' || n, 'tenant'
     FROM generate_series(1, ${LISTED_SESSIONS}) n`,
    [engine.tenantId],
  )
  const misses = async (users: number, audienceOf: (user: string) => string) => {
    const asked = new Set<string>()
    const get: HttpClient['get'] = (url) => {
      asked.add(url)
      return engine.http.get(url)
    }
    const http = { ...engine.http, get }
    for (let user = 0; user < users; user += 1) {
      const userId = `user-${user}`
      const principal = { tenantId: engine.tenantId, userId }
      const query = shapeQuery('sessions', { audience: audienceOf(userId) }, principal)
      await readWholeShape(http, engine.url, query)
    }
    return asked.size
  }
  const tenant = () => 'tenant'
  const own = (user: string) => `user:${user}`
  const one = await misses(1, tenant)
  return [
    compare({
      name: `list of ${LISTED_SESSIONS} sessions, ${LIST_USERS} users`,
      unit: 'requests that miss',
      ours: [await misses(LIST_USERS, tenant)],
      reference: [one],
      referenceName: 'one user',
      goal: { ratio: 1.3 },
    }),
    compare({
      name: `the same, with each user's own sessions`,
      unit: 'requests that miss',
      ours: [(await misses(LIST_USERS, tenant)) + (await misses(LIST_USERS, own))],
      reference: [one + (await misses(1, own))],
      referenceName: 'one user',
    }),
  ]
}

function sharedSide({ tenantId }: Engine, sessionId: string): Side {
  return {
    sessionId,
    queryOf: (viewer) =>
      shapeQuery(
        'session-messages',
        { sessionId, audience: 'tenant' },
        { tenantId, userId: `user-${viewer}` },
      ),
  }
}

/** The same rows without asking who looks. */
function plainSide(engine: Engine, sessionId: string): Side {
  const { table = '', columns = '', ...others } = sharedSide(engine, sessionId).queryOf(0)
  const query = {
    table,
    columns,
    ...(others.secret && { secret: others.secret }),
    where: 'tenant_id = $1 AND session_id = $2',
    'params[1]': engine.tenantId,
    'params[2]': sessionId,
  }
  return { sessionId, queryOf: () => query }
}

function open({ http, url }: Engine, side: Side): Promise<LiveClient[]> {
  const viewers = Array.from({ length: VIEWERS }, (_, viewer) => side.queryOf(viewer))
  return Promise.all(viewers.map((query) => followShape(http, url, query)))
}

async function timed(work: Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work
  return performance.now() - start
}

/** Returns the time from sending a commit until every viewer has read it. */
async function timeToLast(
  viewers: readonly LiveClient[],
  commit: () => Promise<unknown>,
): Promise<number> {
  const seen = Promise.all(viewers.map((viewer) => viewer.poll()))
  await delay(SETTLE_MS)
  const start = performance.now()
  await Promise.all([commit(), seen])
  return performance.now() - start
}

/** Adds a session with a thread and 20 messages. */
async function addSession(
  { database, tenantId }: Engine,
  visibility: 'private' | 'tenant',
): Promise<string> {
  const id = randomUUID()
  await database.query(
    `INSERT INTO sessions (tenant_id, id, owner_id, title, visibility)
     VALUES ($1, $2, 'owner', 'A session', $3)`,
    [tenantId, id, visibility],
  )
  await database.query(
    `INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title)
     VALUES ($1, $2, $2, 'owner', 'session', 'A thread')`,
    [tenantId, id],
  )
  await database.query(
    `INSERT INTO chat_messages
       (tenant_id, id, thread_id, session_id, author_id, role, content, position)
     SELECT $1, $2 || '-' || n, $2, $2, 'owner', 'user', 'Message ' || n, n
     FROM generate_series(1, 20) n`,
    [tenantId, id],
  )
  return id
}

let messages = 20

function message({ tenantId }: Engine, { sessionId: id }: Side): string {
  messages += 1
  return `INSERT INTO chat_messages
      (tenant_id, id, thread_id, session_id, author_id, role, content, position)
    VALUES ('${tenantId}', '${randomUUID()}', '${id}', '${id}', 'owner', 'user', 'Hello', ${messages})`
}

function grantToTenant({ tenantId }: Engine, sessionId: string): string {
  return `INSERT INTO session_grants (tenant_id, id, session_id, grantee, role, created_by)
    VALUES ('${tenantId}', '${randomUUID()}', '${sessionId}', 'tenant', 'member', 'owner')`
}

function setVisibility({ tenantId }: Engine, { sessionId }: Side, to: string): string {
  return `UPDATE sessions SET visibility = '${to}'
    WHERE tenant_id = '${tenantId}' AND id = '${sessionId}'`
}
