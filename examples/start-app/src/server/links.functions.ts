import { SessionDbError } from '@org/session-db'
import { createServerFn } from '@tanstack/react-start'
import { getCookie, setCookie } from '@tanstack/react-start/server'
import { LINKS_COOKIE, withLink } from './links.server'
import { typedFailures } from './typed-failures'

const MONTH_SECONDS = 30 * 24 * 60 * 60

/** Keeps a link's token in a cookie, so that this browser sees what the link shares. */
export const openLink = createServerFn({ method: 'POST' })
  .middleware([typedFailures])
  .validator((token: unknown) => {
    if (typeof token === 'string' && /^[\w-]{43}$/.test(token)) return token
    throw new SessionDbError('invalid', 'This link is not complete. Copy all of it.')
  })
  .handler(({ data: token }) => {
    setCookie(LINKS_COOKIE, withLink(getCookie(LINKS_COOKIE), token), {
      httpOnly: true,
      sameSite: 'lax',
      path: '/',
      maxAge: MONTH_SECONDS,
      secure: process.env.BETTER_AUTH_URL?.startsWith('https:') ?? false,
    })
  })
