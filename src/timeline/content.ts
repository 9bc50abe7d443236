/** Bytes by which content is recognised. */
export const HEAD_BYTES = 4_096
/** Largest unpacked content, in bytes, unless given. */
const MAX_UNPACKED_BYTES = 512 * 1024 * 1024

/** Thrown for content that can't become a timeline. The message says why, for the user. */
export class LogError extends Error {}

/** Files that are often taken for a log, by their first bytes. */
const KNOWN_FILES: readonly (readonly [name: string, magic: string, offset?: number])[] = [
  ['a SQLite database', 'SQLite format 3\0'],
  ['a ZIP archive', 'PK\x03\x04'],
  ['a ZIP archive', 'PK\x05\x06'],
  ['a tar archive', 'ustar', 257],
  ['a 7-Zip archive', '7z\xbc\xaf\x27\x1c'],
  ['a RAR archive', 'Rar!\x1a\x07'],
  ['a bzip2 archive', 'BZh'],
  ['an XZ archive', '\xfd7zXZ\0'],
  ['a PDF document', '%PDF-'],
  ['a PNG image', '\x89PNG\r\n'],
  ['a JPEG image', '\xff\xd8\xff'],
  ['a GIF image', 'GIF8'],
  ['a WebP image', 'WEBP', 8],
  ['an HEIC image', 'ftyphei', 4],
  ['a video', 'ftyp', 4],
  ['a program', '\x7fELF'],
  ['a program', 'MZ\x90\0'],
  ['a program', '\xcf\xfa\xed\xfe'],
  ['a WebAssembly module', '\0asm'],
]

/**
 * Says why content can't become a timeline, from its first bytes; undefined for text and compressed text.
 *
 * @param head the first 4 KiB of the content, or all of it
 */
export function refusalOf(head: Uint8Array): string | undefined {
  if (head.length === 0) return 'The file is empty. Upload the log of a session.'
  const bytes = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, HEAD_BYTES))
  if (compressionOf(bytes) !== undefined) return undefined
  for (const [name, magic, offset = 0] of KNOWN_FILES) {
    if (!bytes.subarray(offset, offset + magic.length).equals(Buffer.from(magic, 'latin1')))
      continue
    const archive = name.includes('archive') ? 'Unpack it and upload the log inside.' : EXPORT
    return `This is ${name}, not a session log. ${archive}`
  }
  if (utf16Of(bytes) === undefined && isBinary(bytes)) {
    return `This is a binary file, not a session log. ${EXPORT}`
  }
  return undefined
}

const EXPORT = 'Upload the log that the agent wrote, as JSON, JSON Lines or text.'

/** Returns true for content whose bytes are the text itself, neither compressed nor in UTF-16. */
export function isPlainText(head: Uint8Array): boolean {
  return compressionOf(head) === undefined && utf16Of(head) === undefined
}

/**
 * Reads a log as UTF-8: gzip and zstd are unpacked, UTF-16 is transcoded.
 *
 * @param maxBytes largest unpacked size. Default: 512 MiB.
 * @throws LogError for content that is not a log, is damaged or unpacks to more than `maxBytes`.
 */
export async function* readLog(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number = MAX_UNPACKED_BYTES,
): AsyncGenerator<Uint8Array> {
  const { head, all } = await peek(source)
  const compression = compressionOf(head)
  if (compression !== undefined) {
    // The content of an archive may itself be anything.
    yield* readLog(limited(unpacked(all, compression), maxBytes), maxBytes)
    return
  }
  const refusal = head.length === 0 ? undefined : refusalOf(head)
  if (refusal !== undefined) throw new LogError(refusal)
  const encoding = utf16Of(head)
  yield* encoding === undefined ? all : transcoded(all, encoding)
}

type Compression = 'gzip' | 'zstd'

function compressionOf(head: Uint8Array): Compression | undefined {
  const [a, b, c, d] = head
  if (a === 0x1f && b === 0x8b && c === 8) return 'gzip'
  return a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd ? 'zstd' : undefined
}

async function* unpacked(
  content: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  // Loaded here, so that bundles for a page that tests with the mock need no Node modules.
  const { PassThrough, Readable } = process.getBuiltinModule('node:stream')
  const zlib = process.getBuiltinModule('node:zlib')
  if (compression === 'zstd' && zlib.createZstdDecompress === undefined) {
    throw new LogError(
      'This file is compressed with zstd, which this server cannot read. Unpack it first.',
    )
  }
  const unzip = compression === 'gzip' ? zlib.createGunzip() : zlib.createZstdDecompress()
  const input = Readable.from(content, { objectMode: false })
  // Errors of the source reach the reader as they are; those of the decompression are the file's.
  input.on('error', (error) => unzip.destroy(error))
  const output = input.pipe(unzip).pipe(new PassThrough())
  unzip.on('error', (error) => output.destroy(error))
  try {
    for await (const bytes of output) yield bytes as Uint8Array
  } catch (error) {
    if (isZlibError(error)) {
      throw new LogError('This compressed file is damaged or incomplete. Upload it again.')
    }
    throw error
  } finally {
    input.destroy()
    unzip.destroy()
    output.destroy()
  }
}

function isZlibError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^(?:Z_|ZSTD_|ERR_ZLIB)/.test(code)
}

async function* limited(
  content: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const bytes of content) {
    size += bytes.byteLength
    if (size > maxBytes) {
      const limit =
        maxBytes >= 1024 * 1024 ? `${Math.floor(maxBytes / 1024 / 1024)} MiB` : `${maxBytes} bytes`
      throw new LogError(
        `The file unpacks to more than the ${limit} allowed. Upload a smaller one.`,
      )
    }
    yield bytes
  }
}

/** Text in UTF-16 starts with a mark, or every other byte of its first characters is zero. */
function utf16Of(head: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le'
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be'
  const pairs = Math.min(Math.floor(head.length / 2), 64)
  let [even, odd] = [0, 0]
  for (let pair = 0; pair < pairs; pair++) {
    if (head[2 * pair] === 0) even += 1
    if (head[2 * pair + 1] === 0) odd += 1
  }
  if (pairs < 8) return undefined
  if (odd > pairs * 0.7 && even === 0) return 'utf-16le'
  return even > pairs * 0.7 && odd === 0 ? 'utf-16be' : undefined
}

async function* transcoded(
  content: AsyncIterable<Uint8Array>,
  encoding: 'utf-16le' | 'utf-16be',
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding)
  const encoder = new TextEncoder()
  for await (const bytes of content) yield encoder.encode(decoder.decode(bytes, { stream: true }))
  yield encoder.encode(decoder.decode())
}

/** Text may contain some control characters, such as the escapes of a terminal. */
function isBinary(head: Uint8Array): boolean {
  let controls = 0
  for (const byte of head) if (byte < 9 || (byte > 13 && byte < 32 && byte !== 27)) controls += 1
  return controls > head.length / 10 && controls > 8
}

/** Reads the first bytes of a source without losing them. */
async function peek(
  source: AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; all: AsyncIterable<Uint8Array> }> {
  const chunks = source[Symbol.asyncIterator]()
  const first: Uint8Array[] = []
  let size = 0
  while (size < HEAD_BYTES) {
    const next = await chunks.next()
    if (next.done) break
    first.push(next.value)
    size += next.value.byteLength
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* first
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
    } finally {
      await chunks.return?.()
    }
  }
  return { head: Buffer.concat(first).subarray(0, HEAD_BYTES), all: all() }
}
