import { SessionDbError } from '../../errors.ts'
import type { WholeEvent } from '../../schema/timeline-event.ts'
import { contextOf, type WithContext } from '../actions/context.ts'
import { failureOf, uploadBase } from './upload-failure.ts'

/**
 * Fetches an event whole: its text without the limit of 4,000 characters, and the lines of the log
 * that it was derived from. Needs `uploadUrl`.
 *
 * @param db the collections of `createSessionCollections`
 * @param sessionId the session of the event
 * @param seq place of the event in the session
 * @throws SessionDbError `not_found` when there is no such event or the user may not see it
 * @example
 * const { text, raw } = await fetchEvent(db, sessionId, 42)
 */
export async function fetchEvent(
  db: WithContext,
  sessionId: string,
  seq: number,
): Promise<WholeEvent> {
  const { uploadUrl, request } = contextOf(db).uploads
  const url = `${uploadBase(uploadUrl)}/${encodeURIComponent(sessionId)}/events/${seq}`
  let response: Response
  try {
    response = await request(url)
  } catch (cause) {
    const message = 'The request for the event did not reach the server. Check the connection.'
    throw new SessionDbError('unavailable', message, { cause })
  }
  if (!response.ok) throw await failureOf(response)
  const event = await response.json().catch(() => undefined)
  if (typeof event?.seq !== 'number') {
    const message = 'The answer from uploadUrl is not that of an upload handler. Check the route.'
    throw new SessionDbError('invalid', message)
  }
  return { ...event, occurredAt: event.occurredAt && new Date(event.occurredAt) }
}
