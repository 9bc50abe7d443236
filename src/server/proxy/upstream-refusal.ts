const PROTOCOL_FIELDS = ['offset', 'handle', 'live', 'live_sse', 'log', 'cursor'] as const
const MAX_BODY_BYTES = 16_384

/** Why Electric answered 400: because of what the client sent, or of what the proxy did. */
export interface Refusal {
  readonly clientsFault: boolean
  readonly reason: string
}

/**
 * Reads a 400 of Electric. Only its words on the client's own protocol parameters are fit to be
 * shown; a complaint about table, columns or condition is a fault of the server's set-up.
 */
export async function readRefusal(upstream: Response, isHead: boolean): Promise<Refusal> {
  // There is no body to tell whose fault it is, and the answer has none either; a GET will tell.
  if (isHead) return { clientsFault: true, reason: 'Electric refused the HEAD request' }
  const errors = errorsOf(await readStart(upstream))
  const fields = Object.keys(errors)
  const own = PROTOCOL_FIELDS.filter((field) => Object.hasOwn(errors, field))
  if (own.length > 0 && own.length === fields.length) {
    return {
      clientsFault: true,
      reason: own.map((field) => `${field}: ${said(errors[field])}`).join('; '),
    }
  }
  if (fields.length === 1 && fields[0] === 'subset') {
    // Its words quote the condition that the proxy has written, not the one the client sent.
    return {
      clientsFault: true,
      reason: 'subset: values do not fit the columns, or order is missing',
    }
  }
  const about = fields.length > 0 ? fields.join(', ') : 'something it did not name'
  return { clientsFault: false, reason: `Electric refused the shape because of its ${about} (400)` }
}

async function readStart(upstream: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of upstream.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > MAX_BODY_BYTES) break
  }
  return text
}

function errorsOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed !== 'object' || parsed === null || !('errors' in parsed)) return {}
    return typeof parsed.errors === 'object' && parsed.errors !== null ? { ...parsed.errors } : {}
  } catch {
    return {}
  }
}

function said(messages: unknown): string {
  const first = Array.isArray(messages) ? messages[0] : messages
  return typeof first === 'string' ? first.slice(0, 200) : 'is not valid'
}
