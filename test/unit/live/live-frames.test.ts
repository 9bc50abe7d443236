import { expect, test } from 'vitest'
import {
  createFrameReader,
  encodeFrame,
  FRAME_TYPE,
  type Frame,
  joinBytes,
} from '../../../src/live/frames.ts'
import { fc } from '../../support/property.ts'

const frames = fc.array(
  fc.record({
    type: fc.constantFrom(...Object.values(FRAME_TYPE)),
    poll: fc.nat(200),
    payload: fc.uint8Array({ maxLength: 50 }),
  }),
)

test('decodes encoded frames, however the bytes are split', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 40 })), (sent, cuts) => {
      const bytes = joinBytes(
        sent.map(({ type, poll, payload }) => encodeFrame(type, poll, payload)),
      )
      const read = createFrameReader()
      const got: Frame[] = []
      let at = 0
      for (const cut of [...cuts, bytes.byteLength]) {
        got.push(...read(bytes.slice(at, at + cut)))
        at += cut
      }
      const plain = (list: readonly Frame[]) =>
        list.map(({ type, poll, payload }) => [type, poll, [...payload]])
      expect(plain(got)).toEqual(plain(sent))
    }),
  )
})

test('rejects bytes that are not frames', () => {
  expect(() => createFrameReader()(new TextEncoder().encode('<!doctype html>'))).toThrow(RangeError)
})
