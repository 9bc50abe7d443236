import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { locateJsonError } from '../../server/http/json-text.ts'
import { createFilePosition, type FilePosition } from './file-position.ts'
import { createScanner, type FoundElement, type WrongByte } from './json-array-scanner.ts'
import { JsonFileError } from './json-file-error.ts'

/** Of 1 MiB the records of one piece would outlive the young generation: 100 MB more of memory. */
const CHUNK_BYTES = 256 * 1024

/** One element of the array, with the bytes it was read from. */
export interface JsonElement {
  /** Place in the array, from 0. */
  readonly index: number
  readonly bytes: Buffer
  /** Where they begin in the file. */
  readonly start: number
  readonly value: unknown
  /** Why the bytes are no value; then `value` is undefined. */
  readonly problem?: string
}

export interface ReadJsonArrayOptions {
  /**
   * Yields what is not JSON as an element with a problem instead of throwing; as the last one the
   * rest of a file that breaks off, or that goes on where an array would not.
   */
  readonly salvage?: boolean
  /** How much is read at once; 256 KiB unless given. */
  readonly chunkBytes?: number
  /** Hears how far into the file the reading has come. */
  readonly onBytes?: (done: number) => void
  /** Hears how many bytes were read once more to say where something is no JSON. */
  readonly onPositionBytes?: (count: number) => void
}

/**
 * Reads a file that holds one JSON array, element by element. Memory is bounded by the largest
 * element, of at most 128 MiB.
 *
 * Elements are told apart by their brackets and parsed by `JSON.parse`. Libraries were measured
 * against it, in turn, over 200,000 messages (113 MB), by the processor's time: `stream-json` 3.8.0 takes
 * 3.7 times as much, `@streamparser/json` 0.0.26 2.1 times, and 1.9 times where it only finds the
 * elements, by the byte offsets of its tokens, and `JSON.parse` reads them. The first gives no bytes,
 * which a quarantine file must hold, and neither reads on after what is not JSON, which salvage must.
 *
 * @returns elements, some at a time: one asynchronous step per element would cost more than parsing.
 * @throws JsonFileError when the file cannot be read, or is no JSON array in UTF-8.
 */
export async function* readJsonArray(
  path: string,
  {
    salvage = false,
    chunkBytes = CHUNK_BYTES,
    onBytes,
    onPositionBytes,
  }: ReadJsonArrayOptions = {},
): AsyncGenerator<readonly JsonElement[]> {
  const scanner = createScanner(salvage)
  const position = createFilePosition(path, onPositionBytes)
  let index = 0
  let offset = 0
  for await (const chunk of readChunks(path, chunkBytes)) {
    const elements: JsonElement[] = []
    for (const found of scanner.scan(chunk)) {
      const parsed = parseElement(found)
      elements.push(
        'value' in parsed
          ? { index, bytes: found.bytes, start: found.start, value: parsed.value }
          : await unparsed(position, index, found, parsed, salvage),
      )
      index += 1
    }
    yield elements
    if (scanner.wrong !== undefined) throw await outsideError(position, scanner.wrong)
    offset += chunk.length
    onBytes?.(offset)
  }
  const rest = scanner.end()
  if (rest === undefined) return
  yield [await unparsed(position, index, rest, whyRest(rest, offset), salvage)]
}

async function* readChunks(path: string, chunkBytes: number): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: chunkBytes }) as AsyncIterable<Buffer>
  } catch (error) {
    throw new JsonFileError(`cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

/** Why the file's last bytes, which end at `offset`, are no element. */
function whyRest(rest: FoundElement, offset: number): NotParsed {
  if (rest.stray) return { not: 'JSON', offset: rest.start }
  const parsed = parseElement(rest)
  return rest.bytes.length === 0 || 'value' in parsed ? { not: 'JSON', offset } : parsed
}

async function unparsed(
  position: FilePosition,
  index: number,
  { bytes, start }: FoundElement,
  { not, offset }: NotParsed,
  salvage: boolean,
): Promise<JsonElement> {
  const problem = `is not ${not} from ${await position(offset)} on`
  if (!salvage) throw new JsonFileError(problem)
  return { index, bytes, start, value: undefined, problem }
}

interface NotParsed {
  readonly not: 'JSON' | 'UTF-8'
  readonly offset: number
}

function parseElement({ bytes, start }: FoundElement): { readonly value: unknown } | NotParsed {
  if (!isUtf8(bytes)) return { not: 'UTF-8', offset: start }
  const text = bytes.toString('utf8')
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    const before = text.slice(0, locateJsonError(text))
    return { not: 'JSON', offset: start + Buffer.byteLength(before) }
  }
}

async function outsideError(
  position: FilePosition,
  { offset, beforeArray }: WrongByte,
): Promise<Error> {
  const where = await position(offset)
  return new JsonFileError(
    beforeArray
      ? `must hold a JSON array, but ${where} begins something else`
      : `is not JSON from ${where} on`,
  )
}
