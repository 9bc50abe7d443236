import { linkGrantees } from '@org/session-db/server'

// The tokens of the links that a browser has opened are in a cookie that its scripts can't read.

export const LINKS_COOKIE = 'session-links'
const MAX_LINKS = 20

/** Adds a token to the cookie's value. The oldest is dropped when there are too many. */
export function withLink(value: string | undefined, token: string): string {
  const others = (value ?? '').split('.').filter((other) => other !== '' && other !== token)
  return [...others.slice(1 - MAX_LINKS), token].join('.')
}

/** Returns the grantees of the links in a request's cookies. */
export function linksIn(cookies: string): Promise<string[]> {
  const [, value = ''] = /(?:^|;\s*)session-links=([^;]*)/.exec(cookies) ?? []
  return linkGrantees(value.split('.'))
}
