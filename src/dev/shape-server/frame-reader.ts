/** Gets a whole message of Postgres' protocol, type and length included; says whether to go on. */
export type FrameHandler = (type: number, bytes: Buffer, start: number, end: number) => boolean

const headerBytes = 5

/**
 * Cuts what a socket brings into messages.
 *
 * @param onFrame - when it returns false, no further message is looked for.
 * @param onRest - gets what had arrived behind that message.
 * @returns takes the next piece from the socket, and keeps nothing of it.
 * @example
 * socket.on('data', createFrameReader((type) => type !== 0x5a, unread))
 */
export function createFrameReader(
  onFrame: FrameHandler,
  onRest: (bytes: Buffer) => void,
): (piece: Buffer) => void {
  /** Room for a message that has begun, and how much of it is there. */
  let begun = Buffer.allocUnsafe(headerBytes)
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

  function hold(bytes: Buffer): void {
    begun = Buffer.allocUnsafe(needed)
    held = bytes.copy(begun)
  }

  /** Adds what is missing of the message that has begun, and returns how much of the piece that took. */
  function complete(piece: Buffer): number {
    let used = 0
    while (held > 0 && used < piece.length) {
      const count = piece.copy(begun, held, used, used + needed - held)
      held += count
      used += count
      if (held < needed) break
      const bytes = begun.subarray(0, held)
      held = 0
      // Its header alone tells how much more it needs.
      if (readFrames(bytes) === 0) hold(bytes)
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
      hold(rest)
    }
  }
}
