/** The token of a link and the grantee that stands for everyone who has it. */
export interface LinkToken {
  /** The secret of the link, 43 characters that are safe in URLs. It can't be read again later. */
  readonly token: string
  /** `link:<hash>`, to share sessions with. */
  readonly grantee: string
}

const TOKEN_BYTES = 32
const TOKEN = /^[A-Za-z0-9_-]{43}$/

/** The maximum number of tokens that `linkGrantees` reads. */
const MAX_TOKENS = 50

/**
 * Creates the secret of a new link. Only its hash is stored, with the grant: a reader of the database or
 * the list of grants can't open the link.
 *
 * @example
 * const { token, grantee } = await createLinkToken()
 * db.actions.shareSession(sessionId, grantee, 'viewer')
 * const url = `https://app.example/join#${token}`
 */
export async function createLinkToken(): Promise<LinkToken> {
  const token = base64url(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)))
  return { token, grantee: await linkGrantee(token) }
}

/**
 * Returns the grantees of the links whose tokens a request presents, for `groups` of the principal that
 * `authenticate` returns. Malformed tokens and more than 50 are ignored.
 *
 * @example
 * const tokens = cookieOf(request, 'links').split('.')
 * return { tenantId, userId, groups: await linkGrantees(tokens) }
 */
export async function linkGrantees(tokens: readonly string[]): Promise<string[]> {
  const valid = [...new Set(tokens)].filter((token) => TOKEN.test(token))
  return Promise.all(valid.slice(0, MAX_TOKENS).map(linkGrantee))
}

// The token is random, so a plain hash can't be guessed from a dictionary.
async function linkGrantee(token: string): Promise<string> {
  const bytes = new TextEncoder().encode(`session-db link ${token}`)
  return `link:${base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))}`
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (character) =>
    character === '+' ? '-' : character === '/' ? '_' : '',
  )
}
