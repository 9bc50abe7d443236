import { expect, test } from 'vitest'
import { createFrameReader } from '../../../src/dev/shape-server/frame-reader.ts'
import { fc } from '../../support/property.ts'

const frame = fc
  .tuple(fc.constantFrom(0x64, 0x43, 0x5a), fc.uint8Array({ maxLength: 40 }))
  .map(([type, body]) => {
    const bytes = Buffer.alloc(5 + body.length)
    bytes[0] = type
    bytes.writeInt32BE(4 + body.length, 1)
    bytes.set(body, 5)
    return bytes
  })

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length]
  ends.sort((a, b) => a - b)
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
}

test('messages come out whole, however the socket cuts them', () => {
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.nat()), (frames, places) => {
      const seen: Buffer[] = []
      const rest: Buffer[] = []
      const read = createFrameReader(
        (type, bytes, start, end) => {
          expect(type).toBe(bytes[start])
          seen.push(Buffer.from(bytes.subarray(start, end)))
          return true
        },
        (bytes) => rest.push(bytes),
      )
      for (const piece of cut(Buffer.concat(frames), places)) {
        read(piece)
        // The socket reads what comes next into the same memory.
        piece.fill(0)
      }
      expect(seen).toEqual(frames)
      expect(rest).toEqual([])
    }),
  )
})

test('what came behind the last message that is wanted is handed on', () => {
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1 }), fc.nat(), (frames, last) => {
      const wanted = (last % frames.length) + 1
      let seen = 0
      const rest: Buffer[] = []
      const read = createFrameReader(
        () => {
          seen += 1
          return seen < wanted
        },
        (bytes) => rest.push(bytes),
      )
      read(Buffer.concat(frames))
      expect(seen).toBe(wanted)
      expect(Buffer.concat(rest)).toEqual(Buffer.concat(frames.slice(wanted)))
    }),
  )
})
