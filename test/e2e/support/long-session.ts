import { createSessionStore } from '../../../src/server/index.ts'
import { longLog } from './long-log.ts'

export const LONG_SESSION = 'long-session'
/** Lines of the log after its first one; each is an event. An applied patch adds one more. */
export const EVENTS = 100_000
const PART = 4 * 1024 * 1024

/** Uploads a session of 100,000 events as Ann and waits until its timeline is derived. */
export async function uploadLongSession(database: string): Promise<void> {
  const store = createSessionStore({ database })
  try {
    const ann = { tenantId: 'acme', userId: 'ann' }
    const log = longLog({ events: EVENTS, maxLineBytes: 600 })
    await store.createSession(ann, {
      id: LONG_SESSION,
      title: 'A long day',
      originalName: 'long.jsonl',
    })
    const parts = async function* () {
      for (let at = 0; at < log.byteLength; at += PART) yield log.subarray(at, at + PART)
    }
    await store.uploadContent(ann, LONG_SESSION, parts())
  } finally {
    await store.close()
  }
}
