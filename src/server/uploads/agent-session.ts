import { sql } from 'kysely'
import * as z from 'zod/mini'
import { textField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import { validated } from '../../schema/validate.ts'
import { readLog } from '../../timeline/content.ts'
import { deriveTimeline } from '../../timeline/derive-timeline.ts'
import type { TimelineParser } from '../../timeline/parser.ts'
import type { UploadContext } from './upload-state.ts'

/** A session as its agent names it: the format of its log and the agent's own id. */
export interface AgentSession {
  readonly format: string
  readonly id: string
}

const agentSessionSchema = z.strictObject({
  format: textField.check(z.minLength(1), z.maxLength(100)),
  id: textField.check(z.minLength(1), z.maxLength(4_100)),
})

/** @throws SessionDbError `invalid` for anything else than an agent's session. */
export function checkAgentSession(value: unknown): AgentSession {
  return validated(agentSessionSchema, value, 'agentSession')
}

/** Finds the session that the principal has of an agent's session; the oldest if there are several. */
export async function findAgentSession<P extends Principal>(
  context: UploadContext<P>,
  principal: P,
  { format, id }: AgentSession,
): Promise<string | undefined> {
  const statement = sql`
    SELECT session.id FROM sessions AS session
    WHERE session.tenant_id = ${principal.tenantId} AND session.owner_id = ${principal.userId}
      AND session.agent_session_id = ${id} AND session.format = ${format}
      AND session.content_ref IS NOT NULL AND (${context.policy.see(principal)})
    ORDER BY session.created_at, session.id LIMIT 1`
  const { rows } = await context.pool.query(context.preparer.prepare(statement))
  return (rows[0] as { id: string } | undefined)?.id
}

/** Bytes of a log in which the agent's id is looked for. */
const HEAD_BYTES = 256 * 1024

/** Reads which agent's session a log is of, from its start; undefined when it has no id. */
export async function identifyLog(
  content: AsyncIterable<Uint8Array>,
  parsers: readonly TimelineParser[],
): Promise<AgentSession | undefined> {
  async function* head(): AsyncGenerator<Uint8Array> {
    let left = HEAD_BYTES
    // The head of a compressed file can't be unpacked by itself.
    for await (const bytes of readLog(content)) {
      yield bytes.subarray(0, left)
      left -= bytes.length
      if (left <= 0) return
    }
  }
  const timeline = deriveTimeline(head(), { parsers })
  for await (const _ of timeline);
  const { format, agentSessionId } = timeline.summary
  return agentSessionId === null ? undefined : { format, id: agentSessionId }
}
