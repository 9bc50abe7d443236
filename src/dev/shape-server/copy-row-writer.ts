import type { MessageShape } from '../../shape-log/change-message.ts'

/** Writes the message of a row that `COPY … TO STDOUT` sent, and returns where it ends. */
export interface CopyRowWriter {
  /** The most bytes the message of a row of so many bytes takes. */
  maxBytes(rowBytes: number): number
  /** Writes the message of the row that stands in `bytes` from `from` to `to`. */
  write(bytes: Buffer, from: number, to: number, target: Uint8Array, start: number): number
}

/** What stands around a column's value in the message. */
interface Field {
  readonly lead: Uint8Array
  /** On either side of a value. */
  readonly quote: Uint8Array
  readonly null: Uint8Array
  /** Bytes that stand for themselves; 0 for those that do not. */
  readonly plain: Uint8Array
}

const tab = 0x09
const newline = 0x0a
const doubleQuote = 0x22
const slash = 0x2f
const backslash = 0x5c
const longestEscape = 6

const valueBytes = plainBytes([doubleQuote, backslash])
const keyBytes = plainBytes([doubleQuote, backslash, slash])

/**
 * A writer for rows in COPY's text format: the key columns, then the columns of the shape. COPY escapes
 * almost as JSON does, so most bytes are carried over as they are, and no text is made of them.
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
  const end = bytesOf(`},"headers":${headers}}`)
  const fixed = fields.reduce(
    (sum, { lead, quote, null: none }) => sum + lead.length + 2 * quote.length + none.length,
    end.length,
  )

  return {
    maxBytes: (rowBytes) => fixed + longestEscape * rowBytes,
    write(row, first, to, target, start) {
      let at = start
      let from = first
      for (const { lead, quote, null: none, plain } of fields) {
        at = put(target, at, lead)
        if (row[from] === backslash && row[from + 1] === 0x4e) {
          at = put(target, at, none)
          from += 3
          continue
        }
        at = put(target, at, quote)
        for (;;) {
          let byte = row[from++] as number
          while (plain[byte]) {
            target[at++] = byte
            byte = row[from++] as number
          }
          if (byte === tab || byte === newline) break
          if (byte === slash) {
            target[at++] = slash
            target[at++] = slash
          } else if (byte === backslash && row[from] !== 0x76) {
            // \b, \f, \n, \r, \t and \\ are the same in both.
            target[at++] = backslash
            target[at++] = row[from++] as number
          } else if (byte === doubleQuote) {
            target[at++] = backslash
            target[at++] = doubleQuote
          } else {
            // COPY writes a vertical tab as \v, other control characters as they are.
            const code = byte === backslash ? 0x0b : byte
            if (byte === backslash) from += 1
            at = put(target, at, bytesOf(`\\u${code.toString(16).padStart(4, '0')}`))
          }
        }
        at = put(target, at, quote)
      }
      if (from !== to) throw new Error('COPY sent a row that is not whole')
      return put(target, at, end)
    },
  }
}

function keyField(lead: string): Field {
  return { lead: bytesOf(lead), quote: bytesOf('\\"'), null: bytesOf('_'), plain: keyBytes }
}

function valueField(lead: string): Field {
  return { lead: bytesOf(lead), quote: bytesOf('"'), null: bytesOf('null'), plain: valueBytes }
}

function plainBytes(special: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    byte < 0x20 || special.includes(byte) ? 0 : 1,
  )
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Values and what stands around them are short: a loop is faster than a call that copies. */
function put(target: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) target[at + i] = bytes[i] as number
  return at + bytes.length
}
