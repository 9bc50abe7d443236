import type { FindSecrets, FoundSecret } from '../../timeline/secrets.ts'

/** Number of masked secrets by kind. */
export type RedactionCounts = Readonly<Record<string, number>>

/** Longest secret that is always found, in characters. */
const OVERLAP = 16 * 1024
/** Bytes that are searched at a time. */
const WINDOW_BYTES = 64 * 1024
/** Bytes that wait for the end of a secret; a longer one is masked in parts. */
const MAX_PENDING = 4 * WINDOW_BYTES
/** Characters before a window's start that the search sees again, for names before a secret. */
const CONTEXT = 1024

/** Masks the secrets of a stream. Masked bytes keep their number, so offsets in the log stay true. */
export interface Redaction {
  /** Takes bytes, and returns those that no later byte can change. */
  write(bytes: Uint8Array): Promise<Uint8Array>
  /** Returns the remaining bytes. */
  end(): Promise<Uint8Array>
  /** Returns what is final of a stream that goes on elsewhere: all but its last 16 Ki characters. */
  pause(): Promise<Uint8Array>
  /** Returns the counts since the last call. */
  takeCounts(): RedactionCounts
}

/**
 * Creates a redaction of one stream. The result does not depend on how the bytes are chunked.
 *
 * @param before the bytes before the stream's start, if it continues another one
 */
export function createRedaction(
  find: FindSecrets,
  before: Uint8Array = new Uint8Array(),
): Redaction {
  let pending = Buffer.from(before)
  /** Bytes of `pending` that were returned before. */
  let context = pending.length
  let counts: Record<string, number> = {}

  async function release(isLast: boolean): Promise<Uint8Array> {
    const { text, encode } = decode(pending, isLast)
    const start =
      isLast && context === pending.length ? text.length : charsOf(text, encode, context)
    let cut = isLast ? text.length : Math.max(start, text.length - OVERLAP)
    const found = merged([...(await find(text))], text, start)
    // A secret that may go on in the next bytes waits for them, unless it is longer than any should be.
    for (const secret of found) {
      if (isLast || secret.start >= cut || secret.end <= cut) continue
      if (secret.start > start || pending.length < MAX_PENDING) cut = secret.start
    }
    const pieces: Buffer[] = []
    let at = start
    for (const { kind, start: from, end } of found) {
      if (from >= cut) break
      const to = Math.min(end, cut)
      pieces.push(encode(text.slice(at, from)), mask(kind, encode(text.slice(from, to)).length))
      counts[kind] = (counts[kind] ?? 0) + 1
      at = to
    }
    pieces.push(encode(text.slice(at, cut)))
    const released = Buffer.concat(pieces)
    const kept = Math.max(0, wholeChar(text, cut - CONTEXT))
    const keptBytes = encode(text.slice(kept, cut)).length
    pending = Buffer.from(pending.subarray(context + released.length - keptBytes))
    context = keptBytes
    return released
  }

  return {
    async write(bytes) {
      const released: Uint8Array[] = []
      for (let at = 0; at < bytes.length; at += WINDOW_BYTES) {
        pending = Buffer.concat([pending, bytes.subarray(at, at + WINDOW_BYTES)])
        if (pending.length - context >= WINDOW_BYTES + OVERLAP) released.push(await release(false))
      }
      return Buffer.concat(released)
    },
    end: () => release(true),
    pause: () => release(false),
    takeCounts() {
      const taken = counts
      counts = {}
      return taken
    },
  }
}

/** Masks the secrets of a text. */
export async function redactText(
  find: FindSecrets,
  text: string,
): Promise<{ readonly text: string; readonly counts: RedactionCounts }> {
  const redaction = createRedaction(find)
  const bytes = [await redaction.write(Buffer.from(text)), await redaction.end()]
  const counts = redaction.takeCounts()
  const isClean = Object.keys(counts).length === 0
  return { text: isClean ? text : Buffer.concat(bytes).toString(), counts }
}

/** Masks the secrets of a whole stream. */
export async function* redactStream(
  redaction: Redaction,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of content) {
    const released = await redaction.write(bytes)
    if (released.length > 0) yield released
  }
  yield await redaction.end()
}

/** Adds counts. */
export function addCounts(one: RedactionCounts, other: RedactionCounts): RedactionCounts {
  const sum = { ...one }
  for (const [kind, count] of Object.entries(other)) sum[kind] = (sum[kind] ?? 0) + count
  return sum
}

interface Decoded {
  readonly text: string
  /** Returns exactly the bytes that a part of the text was decoded from. */
  encode(part: string): Buffer
}

/** Decodes UTF-8, or byte by byte where the bytes are not valid UTF-8, so that encoding is exact. */
function decode(bytes: Buffer, isLast: boolean): Decoded {
  const whole = isLast ? bytes : bytes.subarray(0, bytes.length - unfinished(bytes))
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(whole)
    return { text, encode: (part) => Buffer.from(part) }
  } catch {
    return { text: whole.toString('latin1'), encode: (part) => Buffer.from(part, 'latin1') }
  }
}

/** Returns the number of bytes at the end that start a character and don't finish it. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return 0
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
  }
  return 0
}

/** Returns the number of characters that the first `bytes` bytes of a text are. */
function charsOf(text: string, encode: Decoded['encode'], bytes: number): number {
  let chars = Math.min(bytes, text.length)
  for (let size = encode(text.slice(0, chars)).length; size > bytes; ) {
    chars -= Math.max(1, Math.floor((size - bytes) / 3))
    size = encode(text.slice(0, chars)).length
  }
  return chars
}

/** Sorts and merges overlapping secrets, without those that end before `from`. */
function merged(found: readonly FoundSecret[], text: string, from: number): FoundSecret[] {
  const valid = found
    .map(({ kind, start, end }) => ({
      kind: kind.replaceAll(/[^\w.-]/g, '-').slice(0, 40),
      start: wholeChar(text, Math.max(start, from)),
      end: wholeChar(text, Math.min(end, text.length)),
    }))
    .filter(({ start, end }) => end > start)
    .sort((one, other) => one.start - other.start || other.end - one.end)
  const disjoint: FoundSecret[] = []
  for (const secret of valid) {
    const last = disjoint.at(-1)
    if (last === undefined || secret.start >= last.end) disjoint.push(secret)
    else disjoint[disjoint.length - 1] = { ...last, end: Math.max(last.end, secret.end) }
  }
  return disjoint
}

/** Moves a place that is within a surrogate pair before it. */
function wholeChar(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return at > 0 && code >= 0xdc00 && code <= 0xdfff ? at - 1 : at
}

/** Returns a mask of so many bytes: the kind and asterisks, or only asterisks where there is no room. */
function mask(kind: string, bytes: number): Buffer {
  const label = `[redacted:${kind}]`
  return Buffer.from(label.length <= bytes ? label.padEnd(bytes, '*') : '*'.repeat(bytes))
}
