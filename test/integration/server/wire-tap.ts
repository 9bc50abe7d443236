import type { Socket } from 'node:net'
import { startDatabaseRelay } from '../../support/database-relay.ts'

/** A TCP proxy in front of Postgres that counts round trips and requests. */
export interface WireTap {
  /** The database's URL through the proxy. */
  readonly url: string
  /** Number of times the client sent after the server had responded. */
  roundTrips(): number
  /** Number of Sync and Query messages, each of which asks for a response. */
  requests(): number
  reset(): void
  /** Cuts the connection of the server's next response before the client receives it. */
  loseNextAnswer(): void
  /** From now on cuts a connection mid-stream after every given number of bytes. */
  cutEvery(nextDistance: () => number): void
  /** Cuts all open connections. */
  cut(): void
  close(): Promise<void>
}

export async function startWireTap(databaseUrl: string): Promise<WireTap> {
  let [trips, requests, lastSpeaker] = [0, 0, 'server']
  let losing = false
  let nextDistance = () => Number.POSITIVE_INFINITY
  let fuse = nextDistance()

  const pass = (chunk: Buffer, from: Socket, to: Socket) => {
    if (chunk.length < fuse) {
      fuse -= chunk.length
      to.write(chunk)
      return
    }
    const part = chunk.subarray(0, fuse)
    fuse = nextDistance()
    from.pause()
    to.write(part, () => from.destroy())
  }

  const relay = await startDatabaseRelay(databaseUrl, (client, upstream) => {
    const countRequests = requestCounter()
    client.on('data', (chunk) => {
      if (lastSpeaker === 'server') trips += 1
      lastSpeaker = 'client'
      requests += countRequests(chunk)
      pass(chunk, client, upstream)
    })
    upstream.on('data', (chunk) => {
      lastSpeaker = 'server'
      if (losing) {
        losing = false
        client.destroy()
      } else {
        pass(chunk, upstream, client)
      }
    })
  })

  return {
    url: relay.url,
    roundTrips: () => trips,
    requests: () => requests,
    reset() {
      trips = 0
      requests = 0
    },
    loseNextAnswer() {
      losing = true
    },
    cutEvery(distance) {
      nextDistance = distance
      fuse = distance()
    },
    cut: relay.cut,
    close: relay.close,
  }
}

/** Counts the Sync and Query messages in a client's stream; the first message has no type byte. */
function requestCounter(): (chunk: Buffer) => number {
  let rest = Buffer.alloc(0)
  let started = false
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    let count = 0
    for (;;) {
      const typeBytes = started ? 1 : 0
      if (rest.length < typeBytes + 4) return count
      const length = typeBytes + rest.readInt32BE(typeBytes)
      if (rest.length < length) return count
      if (started && 'SQ'.includes(String.fromCharCode(rest[0] ?? 0))) count += 1
      started = true
      rest = rest.subarray(length)
    }
  }
}
