import { SessionDbError } from '@org/session-db'
import { redirect } from '@tanstack/react-router'
import { createServerFn } from '@tanstack/react-start'
import { getRequest, getRequestHeaders, setResponseHeader } from '@tanstack/react-start/server'
import type { AppUser } from '#/lib/app-user'
import { DEMO_PASSWORD, demoEmail, demoUsers } from '#/lib/demo-users'
import { ownPath } from '#/lib/own-path'
import { findAppUser } from './app-user.server'
import { auth } from './auth.server'
import { typedFailures } from './typed-failures'

/**
 * Returns the signed-in user, for pages to decide what to show. Data is protected where it is read.
 */
export const currentUser = createServerFn().handler(async (): Promise<AppUser | null> => {
  setResponseHeader('cache-control', 'no-store')
  return findAppUser(getRequestHeaders())
})

/** The demo's users, only in a demo: everyone can sign in as one of them. */
export const listDemoUsers = createServerFn().handler(() =>
  process.env.DEMO_USERS ? demoUsers : [],
)

/** Signs in as a demo user with a plain form, which works before the page's script has loaded. */
export const signInAsDemoUser = createServerFn({ method: 'POST' })
  .middleware([typedFailures])
  .validator((form: FormData) => {
    const user = demoUsers.find(({ id }) => id === form.get('user'))
    if (user && process.env.DEMO_USERS) return { user, next: ownPath(form.get('next')) }
    throw new SessionDbError('invalid', 'There is no demo user with this name.')
  })
  .handler(async ({ data: { user, next } }) => {
    const { headers } = await auth.api.signInEmail({
      body: { email: demoEmail(user), password: DEMO_PASSWORD },
      headers: getRequest().headers,
      returnHeaders: true,
    })
    setResponseHeader('set-cookie', headers.getSetCookie())
    throw redirect({ href: next, statusCode: 303 })
  })
