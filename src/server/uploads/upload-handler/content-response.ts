import { Readable } from 'node:stream'
import type { ByteRange } from '../content/content-store.ts'
import type { SessionContent } from '../open-content.ts'
import { parseRange } from './byte-range.ts'

const HEADERS = {
  'content-type': 'text/plain; charset=utf-8',
  // Somebody's file: no browser may take it for a page of the app.
  'content-disposition': 'attachment',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox",
  'cache-control': 'private, no-cache',
  vary: 'Cookie, Authorization',
  'accept-ranges': 'bytes',
}

/**
 * Answers with a content, or with the range of it that the request names.
 *
 * @param open opens the content; it is asked for its size first, then for the range.
 */
export async function contentResponse(
  request: Request,
  open: (range?: ByteRange) => Promise<SessionContent>,
): Promise<Response> {
  const whole = await open()
  const size = whole.totalBytes
  const etag = `"${whole.sha256}"`
  const headers: Record<string, string> = {
    ...HEADERS,
    etag,
    'content-disposition': disposition(whole.originalName),
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

function disposition(name: string | null): string {
  return name === null
    ? 'attachment'
    : `attachment; filename*=UTF-8''${encodeURIComponent(name).replaceAll("'", '%27')}`
}
