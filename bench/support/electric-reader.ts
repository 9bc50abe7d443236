import { isControlMessage, type Message, ShapeStream } from '@electric-sql/client'
import type { ShapeQuery } from './shape-reader.ts'

/**
 * Reads a shape with Electric's client, which parses its rows, until it is up to date.
 *
 * @param url the shape's URL without parameters
 * @throws whatever the client throws
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
