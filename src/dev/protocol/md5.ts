const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
const SINES = Uint32Array.from({ length: 64 }, (_, i) => Math.abs(Math.sin(i + 1)) * 2 ** 32)

/**
 * Returns the MD5 of a text's UTF-8 bytes in hex, for move tags (not for security). Web Crypto has no MD5
 * and this code also runs in browsers.
 *
 * @example
 * md5('') // 'd41d8cd98f00b204e9800998ecf8427e'
 */
export function md5(text: string): string {
  const words = paddedWords(new TextEncoder().encode(text))
  const state = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476])
  for (let block = 0; block < words.length; block += 16) {
    addBlock(state, words.subarray(block, block + 16))
  }
  return [...new Uint8Array(state.buffer)]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
}

function paddedWords(bytes: Uint8Array): Uint32Array {
  const padded = new Uint8Array((((bytes.length + 8) >>> 6) + 1) * 64)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const words = new Uint32Array(padded.buffer)
  words[words.length - 2] = bytes.length << 3
  words[words.length - 1] = bytes.length >>> 29
  return words
}

function addBlock(state: Uint32Array, block: Uint32Array) {
  let [a = 0, b = 0, c = 0, d = 0] = state
  for (let i = 0; i < 64; i++) {
    const round = i >>> 4
    const [mix, index] = mixRound(round, i, b, c, d)
    const sum = (a + mix + (SINES[i] ?? 0) + (block[index] ?? 0)) | 0
    const shift = SHIFTS[round * 4 + (i & 3)] ?? 0
    a = d
    d = c
    c = b
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
  }
  for (const [i, value] of [a, b, c, d].entries()) state[i] = (state[i] ?? 0) + value
}

function mixRound(round: number, i: number, b: number, c: number, d: number): [number, number] {
  if (round === 0) return [(b & c) | (~b & d), i]
  if (round === 1) return [(d & b) | (~d & c), (5 * i + 1) & 15]
  if (round === 2) return [b ^ c ^ d, (3 * i + 5) & 15]
  return [c ^ (b | ~d), (7 * i) & 15]
}
