import { SessionDbError } from '../../../writes/errors.ts'

/** The version of the tus protocol that is spoken: https://tus.io/protocols/resumable-upload. */
export const TUS_VERSION = '1.0.0'

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * Parses `Upload-Metadata`: comma-separated keys, each with a value in base64.
 *
 * @throws SessionDbError `invalid`.
 * @example
 * parseUploadMetadata('filename cnVuLmpzb25s') // Map { 'filename' => 'run.jsonl' }
 */
export function parseUploadMetadata(header: string | null): Map<string, string> {
  const metadata = new Map<string, string>()
  for (const pair of (header ?? '').split(',')) {
    const [key = '', value = '', ...more] = pair.trim().split(' ')
    if (key === '') continue
    if (more.length > 0 || !BASE64.test(value)) {
      throw new SessionDbError('invalid', `Upload-Metadata: the value of ${key} is not base64.`)
    }
    metadata.set(key, Buffer.from(value, 'base64').toString('utf8'))
  }
  return metadata
}

/**
 * Reads a header that holds a whole number of bytes.
 *
 * @throws SessionDbError `invalid` when it is missing or something else.
 */
export function byteCount(headers: Headers, name: string): number {
  const text = headers.get(name) ?? ''
  const value = Number(text)
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(value)) return value
  throw new SessionDbError('invalid', `${name} must be a whole number of bytes.`)
}
