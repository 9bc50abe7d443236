/**
 * Cuts a stream into pieces of one size; the last may be smaller. Pieces are copies: a source may use
 * its buffers again.
 *
 * @param size of a piece, in bytes.
 */
export async function* chunkBytes(
  content: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  let piece = new Uint8Array(size)
  let filled = 0
  for await (const bytes of content) {
    for (let offset = 0; offset < bytes.byteLength; ) {
      const part = bytes.subarray(offset, offset + size - filled)
      piece.set(part, filled)
      filled += part.byteLength
      offset += part.byteLength
      if (filled < size) continue
      yield piece
      piece = new Uint8Array(size)
      filled = 0
    }
  }
  if (filled > 0) yield piece.subarray(0, filled)
}
