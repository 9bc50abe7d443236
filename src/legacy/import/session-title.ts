const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\uFFFD]/u
const MAX_SHOWN = 100

/**
 * A readable title for a session of which only the id is known. The old app's ids hold the start of
 * the uploaded file's path, as hexadecimal.
 *
 * @example
 * sessionTitle('session-75706c6f6164732f612e6a736f6e6c') // 'uploads/a.jsonl'
 */
export function sessionTitle(sessionId: string): string {
  if (sessionId === 'session-default') return 'Default session'
  const hex = /^session-((?:[0-9a-f]{2}){4,})$/.exec(sessionId)?.[1]
  const path = hex === undefined ? undefined : new TextDecoder().decode(bytesOf(hex))
  const title = path === undefined || NOT_PRINTABLE.test(path) ? sessionId : path
  return [...title].slice(0, MAX_SHOWN).join('')
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
