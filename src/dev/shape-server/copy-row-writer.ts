import type { MessageShape } from '../protocol/change-message.ts'

/** Writes the message of a row that `COPY … TO STDOUT` sent, and returns where it ends. */
export interface CopyRowWriter {
  /** The most bytes the message of a row of so many bytes takes. */
  maxBytes(rowBytes: number): number
  /** Writes the message of the row that stands in `bytes` from `from` to `to`. */
  write(bytes: Buffer, from: number, to: number, target: Uint8Array, start: number): number
}

/** What stands around a column's value in the message. */
interface Field {
  readonly lead: Phrase
  /** On either side of a value. */
  readonly quote: Phrase
  readonly null: Phrase
  /** In keys slashes are doubled. */
  readonly isKey: boolean
}

/** A text that is the same in every message, in words of four bytes. */
interface Phrase {
  readonly length: number
  readonly words: Int32Array
}

const tab = 0x09
const newline = 0x0a
const space = 0x20
const doubleQuote = 0x22
const slash = 0x2f
const backslash = 0x5c
const longestEscape = 6
const wordBytes = 4

/**
 * A writer for rows in COPY's text format: the key columns, then the columns of the shape. COPY escapes
 * almost as JSON does, so most bytes are carried over as they are, four at a time, and no text is made of them.
 *
 * @example
 * const writer = createCopyRowWriter(shape.message)
 * log.writeSnapshotMessage(writer.maxBytes(row.length), (target, start) =>
 *   writer.write(row, 0, row.length, target, start),
 * )
 */
export function createCopyRowWriter(shape: MessageShape): CopyRowWriter {
  const [schema, table] = shape.relation
  const keyStart = JSON.stringify(`"${schema}"."${table}"`).slice(0, -1)
  const fields: Field[] = [
    ...shape.keyColumns.map((_, i) => keyField(i === 0 ? `{"key":${keyStart}/` : '/')),
    ...shape.columns.map((name, i) =>
      valueField(`${i === 0 ? '","value":{' : ','}${JSON.stringify(name)}:`),
    ),
  ]
  const headers = JSON.stringify({ operation: 'insert', relation: shape.relation })
  const end = phraseOf(`},"headers":${headers}}`)
  const fixed = fields.reduce(
    (sum, { lead, quote, null: none }) => sum + lead.length + 2 * quote.length + none.length,
    // The last word of a phrase may reach beyond it.
    end.length + wordBytes - 1,
  )
  const source = createWords()
  const sink = createWords()

  return {
    maxBytes: (rowBytes) => fixed + longestEscape * rowBytes,
    write(row, first, to, target, start) {
      const read = source.of(row)
      const written = sink.of(target)
      let at = start
      let from = first
      for (const { lead, quote, null: none, isKey } of fields) {
        at = put(written, at, lead)
        if (row[from] === backslash && row[from + 1] === 0x4e) {
          at = put(written, at, none)
          from += 3
          continue
        }
        at = put(written, at, quote)
        for (;;) {
          // Most values are short keys or long texts in which little is special.
          while (!isKey && from + wordBytes <= to) {
            const word = read.getInt32(from, true)
            if (hasSpecial(word)) break
            written.setInt32(at, word, true)
            from += wordBytes
            at += wordBytes
          }
          const byte = row[from++] as number
          if (byte === tab || byte === newline) break
          if (byte === slash && isKey) {
            target[at++] = slash
            target[at++] = slash
          } else if (byte === backslash && row[from] !== 0x76) {
            // \b, \f, \n, \r, \t and \\ are the same in both.
            target[at++] = backslash
            target[at++] = row[from++] as number
          } else if (byte === doubleQuote) {
            target[at++] = backslash
            target[at++] = doubleQuote
          } else if (byte < space || byte === backslash) {
            // COPY writes a vertical tab as \v, other control characters as they are.
            const code = byte === backslash ? 0x0b : byte
            if (byte === backslash) from += 1
            at = put(written, at, phraseOf(`\\u${code.toString(16).padStart(4, '0')}`))
          } else {
            target[at++] = byte
          }
        }
        at = put(written, at, quote)
      }
      if (from !== to) throw new Error('COPY sent a row that is not whole')
      return put(written, at, end)
    },
  }
}

function keyField(lead: string): Field {
  return { lead: phraseOf(lead), quote: phraseOf('\\"'), null: phraseOf('_'), isKey: true }
}

function valueField(lead: string): Field {
  return { lead: phraseOf(lead), quote: phraseOf('"'), null: phraseOf('null'), isKey: false }
}

/** The view of bytes as words; the one of the row before is kept, for hundreds of rows come in one piece. */
function createWords() {
  let bytes: Uint8Array | undefined
  let view: DataView | undefined
  return {
    of(given: Uint8Array): DataView {
      if (view && bytes === given) return view
      bytes = given
      view = new DataView(given.buffer, given.byteOffset, given.byteLength)
      return view
    },
  }
}

/**
 * Whether any of four bytes is a control character, a double quote or a backslash. Each term is the well-known
 * test for a byte below a number, or equal to one, in all bytes of a word at once.
 */
function hasSpecial(word: number): boolean {
  const quotes = word ^ 0x22222222
  const backslashes = word ^ 0x5c5c5c5c
  const control = (word - 0x20202020) & ~word
  const quoted = (quotes - 0x01010101) & ~quotes
  const escaped = (backslashes - 0x01010101) & ~backslashes
  return ((control | quoted | escaped) & 0x80808080) !== 0
}

function phraseOf(text: string): Phrase {
  const bytes = new TextEncoder().encode(text)
  const padded = new Uint8Array(Math.ceil(bytes.length / wordBytes) * wordBytes)
  padded.set(bytes)
  const view = new DataView(padded.buffer)
  const words = Int32Array.from({ length: padded.length / wordBytes }, (_, i) =>
    view.getInt32(i * wordBytes, true),
  )
  return { length: bytes.length, words }
}

/** What follows overwrites the bytes of the last word that are none of the phrase. */
function put(target: DataView, at: number, { length, words }: Phrase): number {
  for (let i = 0; i < words.length; i++) {
    target.setInt32(at + i * wordBytes, words[i] as number, true)
  }
  return at + length
}
