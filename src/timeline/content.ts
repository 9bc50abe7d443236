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
  ['an LZ4 archive', '\x04\x22\x4d\x18'],
  ['an Office document', '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'],
  ['an RTF document', '{\\rtf'],
  ['a Parquet file', 'PAR1'],
  ['a property list', 'bplist00'],
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
  if (isEmpty(head)) return 'The file is empty. Upload the log of a session.'
  if (isUtf32(head)) return 'The file is encoded in UTF-32. Save it as UTF-8 and upload it again.'
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

/** Returns true for no bytes, and for a whole file of nothing but blanks. */
function isEmpty(head: Uint8Array): boolean {
  return head.length < HEAD_BYTES && new TextDecoder().decode(head).trim() === ''
}

function isUtf32([a, b, c, d]: Uint8Array): boolean {
  return (
    (a === 0xff && b === 0xfe && c === 0 && d === 0) ||
    (a === 0 && b === 0 && c === 0xfe && d === 0xff)
  )
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
  yield* readUnpacked(source, maxBytes, 0)
}

/** How often content may be compressed: some files unpack to themselves. */
const MOST_COMPRESSIONS = 3

async function* readUnpacked(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  depth: number,
): AsyncGenerator<Uint8Array> {
  const { head, all } = await peek(source)
  const compression = compressionOf(head)
  if (compression !== undefined) {
    if (depth === MOST_COMPRESSIONS) {
      throw new LogError('The file is compressed many times. Unpack it first.')
    }
    // The content of an archive may itself be anything.
    const content = compression === 'gzip' ? unpacked(all, compression) : unpackedFrames(all)
    yield* readUnpacked(limited(content, maxBytes), maxBytes, depth + 1)
    return
  }
  // An empty text that isn't compressed has an empty timeline; uploads refuse it before.
  const refusal = depth === 0 && isEmpty(head) ? undefined : refusalOf(head)
  if (refusal !== undefined) throw new LogError(refusal)
  const encoding = utf16Of(head)
  yield* encoding === undefined ? all : transcoded(all, encoding)
}

type Compression = 'gzip' | 'zstd'

function compressionOf(head: Uint8Array): Compression | undefined {
  const [a, b, c, d] = head
  if (a === 0x1f && b === 0x8b && c === 8) return 'gzip'
  // A frame of zstd may follow some that decoders skip.
  const isSkipped = a !== undefined && a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18
  return isSkipped || (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) ? 'zstd' : undefined
}

/** Unpacks all frames of zstd: Node's decoder ends at the first. */
async function* unpackedFrames(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = content[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array()
  let isDone = false
  try {
    do {
      const fed: Uint8Array[] = []
      const feed = (async function* () {
        if (rest.length > 0) fed.push(rest)
        if (rest.length > 0) yield rest
        for (;;) {
          const next = await source.next()
          if (next.done) {
            isDone = true
            return
          }
          fed.push(next.value)
          yield next.value
        }
      })()
      let consumed = 0
      let dropped = 0
      yield* unpacked(feed, 'zstd', (count) => {
        consumed = count
        while (fed.length > 0 && dropped + (fed[0]?.length ?? 0) <= count) {
          dropped += fed.shift()?.length ?? 0
        }
      })
      await feed.return(undefined)
      rest = Buffer.concat(fed).subarray(consumed - dropped)
      if (rest.length === 0 && !isDone) {
        const next = await source.next()
        if (next.done) isDone = true
        else rest = next.value
      }
    } while (rest.length > 0)
  } finally {
    await source.return?.()
  }
}

async function* unpacked(
  content: AsyncIterable<Uint8Array>,
  compression: Compression,
  /** Called with the number of bytes that were used so far. */
  onConsumed: (bytes: number) => void = () => {},
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
    for await (const bytes of output) {
      onConsumed(unzip.bytesWritten)
      yield bytes as Uint8Array
    }
    onConsumed(unzip.bytesWritten)
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
