import { isLongPoll, type LivePoll } from '../protocol.ts'

/**
 * Recognises a live long poll among a stream's requests: those can share a connection. Snapshots,
 * SSE and everything with a body go by themselves.
 *
 * @param base absolute URL of the shapes, without a slash at its end
 */
export function livePollOf(
  input: Parameters<typeof fetch>[0],
  init: RequestInit | undefined,
  base: string,
): LivePoll | undefined {
  const address = typeof input === 'string' || input instanceof URL ? String(input) : undefined
  if (address === undefined || (init?.method ?? 'GET') !== 'GET') return undefined
  if (!address.startsWith(`${base}/`)) return undefined
  const [shape = '', query = ''] = address.slice(base.length + 1).split('?')
  if (!isLongPoll(query) || !/^[A-Za-z0-9][\w-]*$/.test(shape)) return undefined
  return { shape, query }
}
