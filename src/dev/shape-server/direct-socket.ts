import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Gets what a socket has read, which is valid until it returns. */
type PieceReader = (bytes: Buffer) => void

/** One piece for all: a socket's bytes are taken before another can read. */
const memory = Buffer.allocUnsafeSlow(256 * 1024)
const directReaders = new WeakMap<Duplex, PieceReader>()
const directSockets = new WeakSet<Duplex>()

/**
 * Creates a socket that reads into the same memory again and again. A usual one takes fresh memory for each
 * piece: for the rows of a snapshot that is as much as they are, and work for the garbage collector.
 * Listeners to `data` get copies, so that they may keep what they get.
 *
 * @example
 * new Client({ connectionString, stream: createDirectSocket })
 */
export function createDirectSocket(): Socket {
  const socket: Socket = new Socket({
    onread: {
      buffer: memory,
      callback(count) {
        const bytes = memory.subarray(0, count)
        const read = directReaders.get(socket)
        if (!read) {
          socket.emit('data', Buffer.from(bytes))
          return true
        }
        read(bytes)
        // Read to its end at once, a snapshot would hold up the pages of it that are being sent.
        setImmediate(() => socket.resume())
        return false
      },
    },
  })
  directSockets.add(socket)
  return socket
}

/**
 * Makes `read` the only reader of a socket, of whatever kind. From a direct one it gets the bytes uncopied, and
 * between two pieces everything else has its turn.
 *
 * @returns makes the listeners to `data` its readers again; harmless when called twice.
 * @example
 * const giveBack = divert(connection.stream, (bytes) => count(bytes.length))
 */
export function divert(stream: Duplex, read: PieceReader): () => void {
  let giveBack: () => void
  if (directSockets.has(stream)) {
    directReaders.set(stream, read)
    giveBack = () => directReaders.delete(stream)
  } else {
    const listeners = stream.listeners('data') as PieceReader[]
    for (const listener of listeners) stream.off('data', listener)
    stream.on('data', read)
    giveBack = () => {
      stream.off('data', read)
      for (const listener of listeners) stream.on('data', listener)
    }
  }
  let isDiverted = true
  return () => {
    if (isDiverted) giveBack()
    isDiverted = false
  }
}
