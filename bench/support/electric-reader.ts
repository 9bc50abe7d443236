import { isControlMessage, type Message, ShapeStream } from '@electric-sql/client'
import type { ShapeQuery } from './shape-reader.ts'

/**
 * Reads a shape with the engine's own client, which makes objects of its rows, until it is up to date.
 *
 * @param url - of the shape, without its parameters.
 * @throws what the client throws.
 * @example
 * await readWithElectricClient(`${engine.url}/v1/shape`, { table: 'items' })
 */
export function readWithElectricClient(url: string, query: ShapeQuery): Promise<void> {
  const reading = new AbortController()
  const { signal } = reading
  return new Promise<void>((resolve, reject) => {
    const stream = new ShapeStream({
      url: `${url}?${new URLSearchParams(query)}`,
      signal,
      subscribe: false,
    })
    stream.subscribe((messages) => {
      if (messages.some(isUpToDate)) resolve()
    }, reject)
  }).finally(() => reading.abort())
}

function isUpToDate(message: Message): boolean {
  return isControlMessage(message) && message.headers.control === 'up-to-date'
}
