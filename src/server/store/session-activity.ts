import { sql } from 'kysely'
import type { Principal } from '../../schema/principal.ts'
import type { Mutation } from '../../writes/index.ts'
import type { Driver } from './drivers.ts'
import { run } from './reading.ts'

/** How often a process writes the activity of the threads that had new messages, in ms. */
const WRITE_EVERY_MS = 10_000
/** A session's `updated_at` follows its threads at most this often, in seconds. */
const AT_MOST_EVERY_S = 60

/** Lets the `updated_at` of sessions follow the messages of their threads. */
export interface SessionActivity {
  /** Notes the threads of a batch's new messages. */
  note(principal: Principal, mutations: readonly Mutation[]): void
  /** Writes what is noted. */
  flush(): Promise<void>
}

/**
 * Creates the record of activity. One separate statement writes it for all threads: within
 * the transaction of a message, concurrent messages of a session would wait for each other, because each of
 * them holds a shared lock on the session. The version of a session stays, so that a change of it is not
 * refused as a conflict because of a message. Activity that a process had not written when it was
 * killed is lost; the next message repeats it.
 */
export function createSessionActivity(driver: Driver): SessionActivity {
  const threads = new Map<string, readonly [tenantId: string, threadId: string]>()
  let timer: ReturnType<typeof setTimeout> | undefined

  async function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    if (threads.size === 0) return
    const noted = JSON.stringify([...threads.values()])
    threads.clear()
    const statement = sql`
      UPDATE sessions SET updated_at = now()
      FROM (SELECT set_config('session_db.untouched', 'on', true) AS quiet) AS setting
      WHERE setting.quiet = 'on' AND (sessions.tenant_id, sessions.id) IN (
        SELECT session.tenant_id, session.id
        FROM jsonb_array_elements(${noted}::text::jsonb) AS noted (pair)
        JOIN chat_threads AS thread ON thread.tenant_id = pair->>0 AND thread.id = pair->>1
        JOIN sessions AS session ON session.tenant_id = thread.tenant_id
          AND session.id = thread.session_id
        WHERE session.updated_at < now() - ${AT_MOST_EVERY_S}::integer * interval '1 second'
        FOR NO KEY UPDATE OF session SKIP LOCKED)`
    // The database may be out of reach for a moment. The next message notes the activity again.
    await run(driver, statement).catch(() => {})
  }

  return {
    note({ tenantId }, mutations) {
      for (const mutation of mutations) {
        if (mutation.collection !== 'chatMessages' || mutation.type !== 'insert') continue
        const { threadId } = mutation.value
        threads.set(JSON.stringify([tenantId, threadId]), [tenantId, threadId])
      }
      if (threads.size === 0 || timer !== undefined) return
      timer = setTimeout(() => void flush(), WRITE_EVERY_MS)
      timer.unref()
    },
    flush,
  }
}
