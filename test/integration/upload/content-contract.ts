import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ContentKey, ContentStore } from '../../../src/server/uploads/content/content-store.ts'
import { fc } from '../../support/property.ts'

/** A log's worth of bytes: repetitive, so that it compresses, with some that do not. */
export function someBytes(size: number): Buffer {
  const line = Buffer.from('{"type":"event_msg","payload":{"type":"agent_message"}}\n')
  const bytes = Buffer.alloc(size, line)
  randomBytes(Math.min(5_000, size)).copy(bytes, Math.floor(size / 2))
  return bytes
}

export function keyOf(bytes: Uint8Array, tenantId = 'acme'): ContentKey {
  return { tenantId, sha256: createHash('sha256').update(bytes).digest('hex') }
}

/** A source that yields bytes in pieces of any size. */
export function sourceOf(bytes: Uint8Array, piece = 100_003) {
  return {
    bytes: bytes.byteLength,
    async *read() {
      for (let at = 0; at < bytes.byteLength; at += piece) yield bytes.subarray(at, at + piece)
    },
  }
}

export async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts)
}

/** The contract that every content store fulfils. */
export function describeContract(name: string, open: () => ContentStore): void {
  describe(`the content store in ${name}`, () => {
    test.each([0, 1, 256 * 1024, 3_000_000, 9_000_000])('returns %i stored bytes', async (size) => {
      const bytes = someBytes(size)
      const key = keyOf(bytes)
      await open().put(key, sourceOf(bytes))
      expect(await open().stat(key)).toEqual({ bytes: size })
      expect((await collect(open().get(key))).equals(bytes)).toBe(true)
    })

    test('returns any range', async () => {
      const bytes = someBytes(1_000_000)
      const key = keyOf(bytes)
      await open().put(key, sourceOf(bytes))
      const place = fc.oneof(fc.nat(1_000_010), fc.constantFrom(0, 262_144, 524_288, 999_999))
      await fc.assert(
        fc.asyncProperty(place, fc.option(place), async (start, end) => {
          const range = { start, ...(end === null ? {} : { end }) }
          const expected = bytes.subarray(start, Math.max(start, end ?? bytes.length))
          expect((await collect(open().get(key, range))).equals(expected)).toBe(true)
        }),
        // The first byte alone: some S3 servers ignore the range bytes=0-0.
        { numRuns: 40, examples: [[0, 1]] },
      )
    })

    test('stores a content once when it is put repeatedly', async () => {
      const bytes = someBytes(700_000)
      const key = keyOf(bytes)
      await Promise.all([1, 2, 3].map(() => open().put(key, sourceOf(bytes))))
      await open().put(key, sourceOf(bytes))
      expect((await collect(open().get(key))).equals(bytes)).toBe(true)
    })

    test('keeps tenants apart', async () => {
      const bytes = someBytes(10_000)
      await open().put(keyOf(bytes, 'acme'), sourceOf(bytes))
      const rival = keyOf(bytes, 'rival')
      expect(await open().stat(rival)).toBeUndefined()
      await expect(collect(open().get(rival))).rejects.toMatchObject({ code: 'not_found' })
      await open().delete(rival)
      expect(await open().stat(keyOf(bytes, 'acme'))).toEqual({ bytes: 10_000 })
    })

    test('deletes a content, and ignores a missing one', async () => {
      const bytes = someBytes(20_000)
      const key = keyOf(bytes)
      await open().put(key, sourceOf(bytes))
      await open().delete(key)
      await open().delete(key)
      expect(await open().stat(key)).toBeUndefined()
      await expect(collect(open().get(key))).rejects.toMatchObject({ code: 'not_found' })
    })

    test('stores nothing when the source fails', async () => {
      const bytes = someBytes(9_500_000)
      const key = keyOf(bytes)
      const source = {
        bytes: bytes.length,
        async *read() {
          yield bytes.subarray(0, 9_000_000)
          throw new Error('broke off')
        },
      }
      await expect(open().put(key, source)).rejects.toThrow('broke off')
      expect(await open().stat(key)).toBeUndefined()
    })
  })
}
