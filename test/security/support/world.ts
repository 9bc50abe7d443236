import { Pool } from 'pg'
import { migrate } from '../../../src/server/migrations/migrate.ts'
import { createShapeProxy } from '../../../src/server/proxy/node-shape-proxy.ts'
import type { ShapeProxyOptions } from '../../../src/server/proxy/shape-proxy.ts'
import { startEngine } from '../../support/engine.ts'
import { type AppPrincipal, appShapes, appTablesSql } from './app-shapes.ts'
import { createTruth, type Truth } from './truth.ts'

export const SECRET = 'keep-this-to-yourself'

/** The principal in a request's header: `tenant/user/admin`. */
const USER_HEADER = 'x-user'

/** A database of several tenants, an engine, and the SQL reference. */
export interface World {
  readonly pool: Pool
  readonly truth: Truth
  readonly electricUrl: string
  proxy(options?: Partial<ShapeProxyOptions<AppPrincipal>>): (request: Request) => Promise<Response>
  close(): Promise<void>
}

/** Starts two tenants with equal ids that share different sessions, and a third without data. */
export async function createWorld({ longPollMs = 20_000 } = {}): Promise<World> {
  const engine = await startEngine({ secret: SECRET, longPollMs })
  const { databaseUrl, electricUrl, secret } = engine
  await migrate({ database: databaseUrl })
  const pool = new Pool({ connectionString: databaseUrl, options: '-c timezone=UTC' })
  await pool.query(appTablesSql)
  await fill(pool)
  return {
    pool,
    truth: createTruth(pool),
    electricUrl,
    proxy: (options = {}) =>
      createShapeProxy<AppPrincipal>({
        electricUrl,
        ...(secret && { secret }),
        shapes: appShapes,
        subsets: true,
        authenticate: principalOf,
        limits: false,
        ...options,
      }),
    async close() {
      await pool.end()
      await engine.close()
    },
  }
}

export const signedIn = ({ tenantId, userId, isAdmin }: AppPrincipal) => ({
  [USER_HEADER]: `${tenantId}/${userId}${isAdmin ? '/admin' : ''}`,
})

export function principalOf(request: Request): AppPrincipal | null {
  const [tenantId, userId, role] = request.headers.get(USER_HEADER)?.split('/') ?? []
  return tenantId && userId
    ? { tenantId, userId, isAdmin: role === 'admin', ...groupsOf(role) }
    : null
}

function groupsOf(role: string | undefined) {
  return role === 'admin' ? { groups: ['team:admins'] } : {}
}

async function fill(pool: Pool): Promise<void> {
  await pool.query(`
    INSERT INTO sessions (tenant_id, id, owner_id, visibility, title, content_ref, content_sha256)
    SELECT t, 's' || n, u, CASE t WHEN 't1' THEN v WHEN 't2' THEN w END, '«' || t || '/s' || n || '»', '«hidden ref»', '«hidden sha»'
    FROM unnest(ARRAY['t1', 't2']) t, (VALUES
      (1, 'ann', 'private', 'tenant'), (2, 'ann', 'tenant', 'private'),
      (3, 'bob', 'private', 'tenant'), (4, 'bob', 'tenant', 'private')
    ) AS s(n, u, v, w);
    INSERT INTO session_grants (tenant_id, id, session_id, grantee, role, created_by) VALUES
      ('t1', 'g1', 's1', 'team:admins', 'editor', 'ann'),
      ('t1', 'g3', 's3', 'user:eve', 'viewer', 'bob'),
      ('t1', 'g5', 's3', 'team:writers', 'viewer', 'bob'),
      ('t2', 'g4', 's4', 'user:ann', 'editor', 'bob');
    INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title)
    SELECT tenant_id, 'th-' || id, id, owner_id, 'session', '«' || tenant_id || '/th-' || id || '»'
    FROM sessions;
    INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)
    SELECT t.tenant_id, 'm-' || t.session_id || '-' || n, t.id, t.session_id, t.created_by, 'user',
      '«' || t.tenant_id || '/m-' || t.session_id || '-' || n || '»', n
    FROM chat_threads t, generate_series(1, 3) n;
    INSERT INTO chat_thread_states (tenant_id, user_id, thread_id, session_id, read_position)
    SELECT tenant_id, u, id, session_id, 1 FROM chat_threads, unnest(ARRAY['ann', 'bob']) u;
    INSERT INTO chat_message_feedback (tenant_id, user_id, message_id, session_id, comment)
    SELECT tenant_id, u, id, session_id, '«' || tenant_id || '/' || u || '/f-' || id || '»'
    FROM chat_messages, unnest(ARRAY['ann', 'bob']) u WHERE position = 1;
    INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind, text)
    SELECT tenant_id, 'e-' || id || '-' || n, id, n, 'message',
      '«' || tenant_id || '/e-' || id || '-' || n || '»'
    FROM sessions, generate_series(0, 2) n;
    INSERT INTO chat_message_deltas (tenant_id, message_id, seq, session_id, epoch, delta)
    SELECT tenant_id, id, n, session_id, '5', '«' || tenant_id || '/d-' || id || '-' || n || '»'
    FROM chat_messages, generate_series(0, 1) n;
    INSERT INTO folder_projects (tenant_id, id, folder_id, name, is_open, budget, secret_note)
    SELECT t, 'p' || n, 'f' || (n % 2), '«' || t || '/p' || n || '»', n % 2 = 0, n, '«hidden note»'
    FROM unnest(ARRAY['t1', 't2']) t, generate_series(1, 6) n;
    INSERT INTO folder_project_members
    VALUES ('t1', 'p1', 'ann'), ('t1', 'p2', 'ann'), ('t1', 'p3', 'bob'), ('t1', 'p4', 'bob'),
      ('t2', 'p1', 'bob'), ('t2', 'p4', 'ann'), ('t2', 'p5', 'ann');`)
}
