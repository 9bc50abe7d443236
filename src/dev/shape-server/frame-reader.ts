/** Gets a whole message of Postgres' protocol, type and length included; says whether to go on. */
export type FrameHandler = (type: number, bytes: Buffer, start: number, end: number) => boolean

const headerBytes = 5

/**
 * Cuts what a socket brings into messages.
 *
 * @param onFrame - when it returns false, no further message is looked for.
 * @param onRest - gets what had arrived behind that message.
 * @returns takes the next piece from the socket.
 * @example
 * socket.on('data', createFrameReader((type) => type !== 0x5a, unread))
 */
export function createFrameReader(
  onFrame: FrameHandler,
  onRest: (bytes: Buffer) => void,
): (piece: Buffer) => void {
  /** The beginning of a message, in pieces: a large one must not be copied with each of them. */
  let pieces: Buffer[] = []
  let held = 0
  let needed = headerBytes
  let goesOn = true

  /** Reads the whole messages in `bytes` and returns where the first other one begins. */
  function readFrames(bytes: Buffer): number {
    let start = 0
    needed = headerBytes
    while (goesOn && bytes.length - start >= headerBytes) {
      const end = start + 1 + bytes.readInt32BE(start + 1)
      needed = end - start
      if (end > bytes.length) break
      needed = headerBytes
      goesOn = onFrame(bytes[start] as number, bytes, start, end)
      start = end
    }
    return start
  }

  /** Adds what is missing of the message that has begun, and returns how much of the piece that took. */
  function complete(piece: Buffer): number {
    let used = 0
    while (held > 0 && used < piece.length) {
      const part = piece.subarray(used, used + needed - held)
      pieces.push(part)
      held += part.length
      used += part.length
      if (held < needed) break
      const bytes = Buffer.concat(pieces)
      // Its header alone tells how much more it needs.
      const isWhole = readFrames(bytes) > 0
      pieces = isWhole ? [] : [bytes]
      held = isWhole ? 0 : bytes.length
    }
    return used
  }

  return (piece) => {
    const used = complete(piece)
    const fresh = used === 0 ? piece : piece.subarray(used)
    const rest = fresh.subarray(held > 0 ? fresh.length : readFrames(fresh))
    if (!goesOn) {
      if (rest.length > 0) onRest(rest)
    } else if (rest.length > 0) {
      pieces = [rest]
      held = rest.length
    }
  }
}
