import { SessionDbError } from '../../writes/errors.ts'
import { parseJsonText } from '../json-text.ts'

/**
 * Reads a request's body as JSON, giving up as soon as it is larger than allowed.
 *
 * @param maxBytes of the body as it arrives.
 * @throws SessionDbError `too_large`, or `invalid` saying where the body stops being JSON.
 */
export async function readJsonBody(request: Request, maxBytes: number): Promise<unknown> {
  const bytes = await readBytes(request, maxBytes)
  const parsed = parseJsonText(decode(bytes))
  if (parsed.ok) return parsed.value
  const { line, column } = parsed
  const message = `The body is not JSON from line ${line}, column ${column} on.`
  throw new SessionDbError('invalid', message, { details: { line, column } })
}

/** Whether the body is declared as JSON: no other site's form can send that without being asked. */
export function isJsonRequest(request: Request): boolean {
  const type = request.headers.get('content-type') ?? ''
  return /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type.trim())
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  return concat(chunks, size)
}

function concat(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new SessionDbError('invalid', 'The body is not UTF-8.')
  }
}

function tooLarge(maxBytes: number): SessionDbError {
  const message = `The body is larger than ${maxBytes} bytes. Send the change in smaller batches.`
  return new SessionDbError('too_large', message, { details: { limitBytes: maxBytes } })
}
