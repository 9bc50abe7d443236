import { SessionDbError } from '../../writes/errors.ts'
import { parseJsonText } from './json-text.ts'
import { bodyOf } from './request-body.ts'

/**
 * Parses a request's body as JSON, and stops reading once it is too large.
 *
 * @param maxBytes maximum size of the body.
 * @param onRead called with the size before the body is parsed; its exceptions are thrown.
 * @throws SessionDbError `too_large`, or `invalid` with the position of the first syntax error.
 */
export async function readJsonBody(
  request: Request,
  maxBytes: number,
  onRead?: (bytes: number) => Promise<void> | undefined,
): Promise<unknown> {
  const bytes = await readBytes(request, maxBytes)
  await onRead?.(bytes.byteLength)
  const parsed = parseJsonText(decode(bytes))
  if (parsed.ok) return parsed.value
  const { line, column } = parsed
  if (line === undefined) throw new SessionDbError('invalid', 'The body is not valid JSON.')
  const message = `The body is not valid JSON at line ${line}, column ${column}.`
  throw new SessionDbError('invalid', message, { details: { line, column } })
}

/** Checks the content type. A form of another site can't send JSON without a CORS preflight. */
export function isJsonRequest(request: Request): boolean {
  const type = request.headers.get('content-type') ?? ''
  return /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type.trim())
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of bodyOf(request)) {
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
