/** The first bytes of formats that browsers and models read, as Latin-1 text; `.` stands for any byte. */
const SIGNATURES: readonly (readonly [RegExp, string])[] = [
  [/^\x89PNG\r\n\p{Cc}\n/u, 'image/png'],
  [/^\xff\xd8\xff/, 'image/jpeg'],
  [/^GIF8[79]a/, 'image/gif'],
  [/^RIFF....WEBP/s, 'image/webp'],
  [/^....ftypavi[fs]/s, 'image/avif'],
  [/^%PDF-/, 'application/pdf'],
  [/^RIFF....WAVE/s, 'audio/wav'],
  [/^(?:ID3|\xff[\xe2-\xfb])/, 'audio/mpeg'],
  [/^OggS/, 'audio/ogg'],
  [/^fLaC/, 'audio/flac'],
  [/^....ftyp/s, 'video/mp4'],
  [/^\p{Cc}E\xdf\xa3/u, 'video/webm'],
  [/^PK\p{Cc}\p{Cc}/u, 'application/zip'],
]

/**
 * Returns the media type that a file's first bytes show. Markup, such as HTML and SVG, is plain text: a browser must
 * not run it as a page of the app.
 *
 * @param head the first bytes of the file
 * @example
 * sniffMediaType(Buffer.from('%PDF-1.7')) // 'application/pdf'
 */
export function sniffMediaType(head: Uint8Array): string {
  const start = Buffer.from(head.subarray(0, 16)).toString('latin1')
  const found = SIGNATURES.find(([signature]) => signature.test(start))
  if (found !== undefined) return found[1]
  return isText(head) ? 'text/plain' : 'application/octet-stream'
}

function isText(head: Uint8Array): boolean {
  try {
    // The end of the head may cut a character.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true })
    // Binary files have control characters.
    return !/(?!\s)\p{Cc}/u.test(text)
  } catch {
    return false
  }
}
