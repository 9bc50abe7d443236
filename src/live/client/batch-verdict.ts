import type { BatchEnd } from './batch-connection.ts'
import { type LiveAnswer, LiveSharingUnavailable } from './live-answer.ts'
import type { Support } from './support.ts'

/** What the end of a batch means for the polls that were on it. */
export type BatchVerdict =
  /** It is the answer to each. */
  | { readonly step: 'answer'; readonly answer: LiveAnswer }
  /** They are to be asked again at once. */
  | { readonly step: 'ask again' }
  | { readonly step: 'fail'; readonly error: Error }

/**
 * Says what a batch's end means, and what the page learns from it of the endpoint.
 *
 * @param worked whether it was accepted, and has answered something or lasted for a while
 */
export function judgeBatchEnd(end: BatchEnd, worked: boolean, support: Support): BatchVerdict {
  // Accepted before, it would only be slow now.
  if (end.reason === 'silent' && !support.hasWorked()) support.isMissing()
  if (end.reason === 'refused') return { step: 'answer', answer: end.answer }
  if (worked) return { step: 'ask again' }
  if (end.reason === 'unsupported') support.isMissing()
  else support.failed()
  const error = support.hasWorked()
    ? connectionBroke()
    : new LiveSharingUnavailable('Live polls cannot share a connection here.')
  return { step: 'fail', error }
}

/** What `fetch` would have thrown: the streams try again by themselves. */
export function connectionBroke(): TypeError {
  return new TypeError('The connection for live updates broke.')
}
