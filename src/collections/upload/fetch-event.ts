import { SessionDbError } from '../../errors.ts'
import type { WholeEvent } from '../../schema/timeline-event.ts'
import { failureOf, uploadBase } from './upload-failure.ts'
import type { UploadRoute } from './upload-requests.ts'

/** Fetches an event with its whole text from the upload route. */
export async function fetchEvent(
  { uploadUrl, request }: UploadRoute,
  sessionId: string,
  seq: number,
): Promise<WholeEvent> {
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
