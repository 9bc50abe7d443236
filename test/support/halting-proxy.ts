import { startDatabaseRelay } from './database-relay.ts'

/** The progress of a database's clients: bytes sent and answers requested. */
export interface WireProgress {
  readonly bytes: number
  readonly requests: number
}

/** A proxy to Postgres that measures what clients send and halts at a given point. */
export interface HaltingProxy {
  /** The database's URL through the proxy. */
  readonly url: string
  progress(): WireProgress
  close(): Promise<void>
}

/**
 * Starts a proxy on a free port of 127.0.0.1.
 *
 * @param haltAt where to halt: the byte or request that ends there still reaches the database, later
 *   ones do not, and no more answers come back
 * @param onHalt called once, when that point is reached.
 */
export async function startHaltingProxy(
  databaseUrl: string,
  haltAt: Partial<WireProgress> = {},
  onHalt: () => void = () => {},
): Promise<HaltingProxy> {
  let [bytes, requests, halted] = [0, 0, false]

  /** Returns how many bytes of the chunk may pass. */
  const passable = (chunk: Buffer, count: RequestCounter): number => {
    const room = (haltAt.bytes ?? Number.POSITIVE_INFINITY) - bytes
    const size = Math.min(chunk.length, room)
    const ends = count(chunk.subarray(0, size))
    const wanted = (haltAt.requests ?? Number.POSITIVE_INFINITY) - requests
    const end = ends[wanted - 1]
    requests += Math.min(ends.length, wanted)
    halted = end !== undefined || size === room
    return end ?? size
  }

  const relay = await startDatabaseRelay(databaseUrl, (client, upstream) => {
    const count = requestCounter()
    client.on('data', (chunk: Buffer) => {
      if (halted) return
      const size = passable(chunk, count)
      bytes += size
      upstream.write(chunk.subarray(0, size), () => halted && onHalt())
    })
    upstream.on('data', (chunk) => {
      if (!halted) client.write(chunk)
    })
  })
  return { url: relay.url, progress: () => ({ bytes, requests }), close: relay.close }
}

type RequestCounter = (chunk: Buffer) => number[]

/** Finds the ends of messages that request an answer: Query, Sync, or the end of a COPY. */
function requestCounter(): RequestCounter {
  let rest = Buffer.alloc(0)
  let skip = 0
  let started = false
  return (chunk) => {
    const ends: number[] = []
    // Skipped bytes of a message are not read, so COPY data is not buffered.
    let at = Math.min(skip, chunk.length)
    skip -= at
    rest = Buffer.concat([rest, chunk.subarray(at)])
    at = 0
    for (;;) {
      const typeBytes = started ? 1 : 0
      if (rest.length - at < typeBytes + 4) break
      const length = typeBytes + rest.readInt32BE(at + typeBytes)
      const asks = started && 'QSc'.includes(String.fromCharCode(rest[at] ?? 0))
      if (rest.length - at < length) {
        if (asks) break
        skip = length - (rest.length - at)
        started = true
        return finish(rest.length, ends)
      }
      started = true
      at += length
      if (asks) ends.push(chunk.length - (rest.length - at))
    }
    return finish(at, ends)
  }
  function finish(upTo: number, ends: number[]): number[] {
    rest = rest.subarray(upTo)
    return ends
  }
}
