/** What a frame of the batch endpoint's answer says. */
export const frameType = {
  /** First of all: the batch is accepted. Payload: JSON `{ principal }`. */
  hello: 1,
  /** An answer begins. Payload: JSON `{ status, headers }`. */
  head: 2,
  /** A piece of the answer's body. */
  data: 3,
  /** The answer is whole, and the server asks on from its end. */
  end: 4,
  /** The answer is whole, and the last of this poll. */
  last: 5,
  /** The answer will not become whole. */
  broken: 6,
  /** Nothing new; the connection lives. */
  ping: 7,
} as const

export type FrameType = (typeof frameType)[keyof typeof frameType]

/** One frame: to which poll of the batch it belongs (by index), and its payload. */
export interface Frame {
  readonly type: FrameType
  readonly poll: number
  readonly payload: Uint8Array
}

const HEADER_BYTES = 9
const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
const types: ReadonlySet<number> = new Set(Object.values(frameType))
const NOTHING = new Uint8Array(0)

/** Writes a frame: type (1 byte), poll (4 bytes), length (4 bytes, big-endian), payload. */
export function encodeFrame(type: FrameType, poll = 0, payload: Uint8Array = NOTHING): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.byteLength)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, type)
  view.setUint32(1, poll)
  view.setUint32(5, payload.byteLength)
  bytes.set(payload, HEADER_BYTES)
  return bytes
}

/** Writes a frame whose payload is JSON. */
export function encodeJsonFrame(type: FrameType, poll: number, value: unknown): Uint8Array {
  return encodeFrame(type, poll, new TextEncoder().encode(JSON.stringify(value)))
}

/** Reads a JSON payload. */
export function readJsonPayload(frame: Frame): unknown {
  return JSON.parse(new TextDecoder().decode(frame.payload))
}

/**
 * Creates a reader of frames that come in pieces of any size.
 *
 * @returns a function that takes the next piece and returns the frames that are now whole. It throws
 * `RangeError` for bytes that are no frames.
 */
export function createFrameReader(): (piece: Uint8Array) => Frame[] {
  let rest = NOTHING
  return (piece) => {
    const frames: Frame[] = []
    rest = joinBytes([rest, piece])
    for (;;) {
      const frame = firstFrame(rest)
      if (frame === undefined) return frames
      frames.push(frame)
      rest = rest.subarray(HEADER_BYTES + frame.payload.byteLength)
    }
  }
}

function firstFrame(bytes: Uint8Array): Frame | undefined {
  if (bytes.byteLength < HEADER_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const type = view.getUint8(0)
  const length = view.getUint32(5)
  if (!types.has(type) || length > MAX_PAYLOAD_BYTES) {
    throw new RangeError('The answer of the batch endpoint is not made of frames.')
  }
  if (bytes.byteLength < HEADER_BYTES + length) return undefined
  const payload = bytes.subarray(HEADER_BYTES, HEADER_BYTES + length)
  return { type: type as FrameType, poll: view.getUint32(1), payload }
}

/** One array of all the pieces; the only one itself when there is just one. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const filled = pieces.filter((piece) => piece.byteLength > 0)
  const [only] = filled
  if (filled.length === 1 && only?.buffer instanceof ArrayBuffer) {
    return only as Uint8Array<ArrayBuffer>
  }
  const bytes = new Uint8Array(filled.reduce((sum, piece) => sum + piece.byteLength, 0))
  let offset = 0
  for (const piece of filled) {
    bytes.set(piece, offset)
    offset += piece.byteLength
  }
  return bytes
}
