import { Readable } from 'node:stream'
import type { ByteRange } from '../content/content-store.ts'

/** A content to send. */
export interface Sent {
  readonly totalBytes: number
  /** Identifies the bytes: the same content has the same tag. */
  readonly tag: string
  readonly name: string | null
  /** Default: plain text. */
  readonly mediaType?: string
  readonly body: AsyncIterable<Uint8Array>
}

/** Images that a page may show. Anything else is downloaded: a browser must not render it as a page of the app. */
const SHOWN = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']

const HEADERS = {
  'content-type': 'text/plain; charset=utf-8',
  // P content: a browser must not render it as a page of the app.
  'content-disposition': 'attachment',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox",
  'cache-control': 'private, no-cache',
  vary: 'Cookie, Authorization',
  'accept-ranges': 'bytes',
}

/**
 * Creates the response with a content, or with the requested range of it.
 *
 * @param open opens the content: first without a range for its size, then with the range
 */
export async function contentResponse(
  request: Request,
  open: (range?: ByteRange) => Promise<Sent>,
): Promise<Response> {
  const whole = await open()
  const size = whole.totalBytes
  const etag = `"${whole.tag}"`
  const headers: Record<string, string> = {
    ...HEADERS,
    etag,
    ...(whole.mediaType !== undefined && { 'content-type': whole.mediaType }),
    'content-disposition': disposition(whole),
  }
  if (request.headers.get('if-none-match') === etag)
    return new Response(null, { status: 304, headers })
  const range = parseRange(request.headers.get('range'), size)
  if (range.kind === 'unsatisfiable') {
    headers['content-range'] = `bytes */${size}`
    return new Response(null, { status: 416, headers })
  }
  const part = range.kind === 'part'
  const { start, end } = part ? range : { start: 0, end: size }
  headers['content-length'] = String(end - start)
  if (part) headers['content-range'] = `bytes ${start}-${end - 1}/${size}`
  const body = request.method === 'HEAD' ? null : (await open({ start, end })).body
  return new Response(body && toStream(body), { status: part ? 206 : 200, headers })
}

function toStream(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  return Readable.toWeb(Readable.from(body, { objectMode: false })) as ReadableStream<Uint8Array>
}

function disposition({ name, mediaType }: Sent): string {
  const kind = SHOWN.includes(mediaType ?? '') ? 'inline' : 'attachment'
  return name === null
    ? kind
    : `${kind}; filename*=UTF-8''${encodeURIComponent(name).replaceAll("'", '%27')}`
}

/** A requested byte range, resolved against the content's size. */
type RequestedRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' }

/**
 * Parses a `Range` header. Multiple ranges and other units mean the whole content, as HTTP allows.
 *
 * @param size of the content, in bytes
 * @returns the range; `end` is exclusive
 * @example
 * parseRange('bytes=-100', 1_000) // { kind: 'part', start: 900, end: 1_000 }
 */
function parseRange(header: string | null, size: number): RequestedRange {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return { kind: 'whole' }
  const [, first = '', last = ''] = match
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0
      ? { kind: 'unsatisfiable' }
      : { kind: 'part', start: size - length, end: size }
  }
  const start = Number(first)
  const end = last === '' ? size : Math.min(Number(last) + 1, size)
  if (last !== '' && Number(last) < start) return { kind: 'whole' }
  return start >= size ? { kind: 'unsatisfiable' } : { kind: 'part', start, end }
}
