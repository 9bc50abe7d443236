import type { Client } from 'pg'
import type { Principal } from '../../src/schema/index.ts'
import { migrate } from '../../src/server/migrations/migrate.ts'
import { sessionShapes } from '../../src/shapes/index.ts'
import { isRefusal, resolveShape } from '../../src/shapes/resolve-shape.ts'
import type { ShapeQuery } from './shape-reader.ts'

const principal = { tenantId: 'tenant-1', userId: 'user-1' }
const sessionId = 'session-1'

/** Creates this library's tables, with one session and a thread in it. */
export async function createDomain(databaseUrl: string, database: Client): Promise<void> {
  await migrate({ database: databaseUrl })
  await database.query(`
    INSERT INTO sessions (tenant_id, id, owner_id, title)
    VALUES ('${principal.tenantId}', '${sessionId}', '${principal.userId}', 'A session');
    INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title)
    VALUES ('${principal.tenantId}', 'thread-1', '${sessionId}', '${principal.userId}', 'session', 'A thread')`)
}

/** Adds the `n`th message to the thread. */
export async function addMessage(database: Client, n: number): Promise<void> {
  await database.query({
    name: 'add-message',
    text: `INSERT INTO chat_messages
             (tenant_id, id, thread_id, session_id, author_id, role, content, position)
           VALUES ($1, $2, 'thread-1', $3, $4, 'user', $5, $6)`,
    values: [
      principal.tenantId,
      `message-${n}`,
      sessionId,
      principal.userId,
      `This is message ${n}`,
      n,
    ],
  })
}

/** The session's messages, as the proxy requests them from the engine for a user who may see them. */
export function sessionMessagesQuery(): ShapeQuery {
  return shapeQuery('session-messages', { sessionId }, principal)
}

/** One of the library's shapes, as the proxy requests it from the engine for a principal. */
export function shapeQuery(
  name: keyof typeof sessionShapes,
  params: Readonly<Record<string, string>>,
  of: Principal,
): ShapeQuery {
  const resolved = resolveShape(sessionShapes, name, params, of)
  if (isRefusal(resolved)) throw new Error(resolved.message)
  const values = resolved.params.map((value, i) => [`params[${i + 1}]`, value])
  const { ELECTRIC_SECRET: secret } = process.env
  return {
    table: resolved.table,
    columns: resolved.columns.join(','),
    where: resolved.where,
    ...Object.fromEntries(values),
    ...(secret && { secret }),
  }
}
