/**
 * The response of the batch endpoint is a stream of frames: type (1 byte), index of the poll in the
 * batch (4 bytes, big-endian), payload length (4 bytes), payload.
 */
export const FRAME_TYPE = {
  /** Always first: the batch is accepted. Payload: JSON `{ principal }`. */
  hello: 1,
  /** Start of a poll's response. Payload: JSON `{ status, headers }`. */
  head: 2,
  /** A chunk of the response's body. */
  data: 3,
  /** End of a response; the server continues polling from there. */
  end: 4,
  /** End of a response; the server does not continue this poll. */
  last: 5,
  /** The response was cut off. */
  broken: 6,
  /** Heartbeat. */
  ping: 7,
} as const

export type FrameType = (typeof FRAME_TYPE)[keyof typeof FRAME_TYPE]

/** One frame. */
export interface Frame {
  readonly type: FrameType
  /** Index of the poll in the batch; 0 for frames about the batch as a whole. */
  readonly poll: number
  readonly payload: Uint8Array
}

const HEADER_BYTES = 9
const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(FRAME_TYPE))
const EMPTY = new Uint8Array(0)

/** Encodes a frame. */
export function encodeFrame(type: FrameType, poll = 0, payload: Uint8Array = EMPTY): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.byteLength)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, type)
  view.setUint32(1, poll)
  view.setUint32(5, payload.byteLength)
  bytes.set(payload, HEADER_BYTES)
  return bytes
}

/** Encodes a frame with a JSON payload. */
export function encodeJsonFrame(type: FrameType, poll: number, value: unknown): Uint8Array {
  return encodeFrame(type, poll, new TextEncoder().encode(JSON.stringify(value)))
}

/** Parses a JSON payload. */
export function readJsonPayload(frame: Frame): unknown {
  return JSON.parse(new TextDecoder().decode(frame.payload))
}

/**
 * Creates a decoder for frames that arrive in chunks of any size.
 *
 * @returns a function that takes the next chunk and returns the frames it completes; it throws
 * `RangeError` for bytes that are not frames
 */
export function createFrameReader(): (chunk: Uint8Array) => Frame[] {
  let rest = EMPTY
  return (chunk) => {
    const frames: Frame[] = []
    rest = joinBytes([rest, chunk])
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
  if (!KNOWN_TYPES.has(type) || length > MAX_PAYLOAD_BYTES) {
    throw new RangeError('The response of the live batch endpoint is not a stream of frames.')
  }
  if (bytes.byteLength < HEADER_BYTES + length) return undefined
  const payload = bytes.subarray(HEADER_BYTES, HEADER_BYTES + length)
  return { type: type as FrameType, poll: view.getUint32(1), payload }
}

/** Concatenates chunks. A single chunk is returned as it is, without a copy. */
export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const filled = chunks.filter((chunk) => chunk.byteLength > 0)
  const [only] = filled
  if (filled.length === 1 && only?.buffer instanceof ArrayBuffer) {
    return only as Uint8Array<ArrayBuffer>
  }
  const bytes = new Uint8Array(filled.reduce((sum, chunk) => sum + chunk.byteLength, 0))
  let offset = 0
  for (const chunk of filled) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}
