import { SessionDbError } from '@org/session-db'
import { redirect } from '@tanstack/react-router'
import { createServerFn } from '@tanstack/react-start'
import {
  deleteCookie,
  getCookie,
  getRequestUrl,
  setCookie,
  setResponseHeader,
} from '@tanstack/react-start/server'
import { type DemoUser, findDemoUser } from '#/lib/demo-users'
import { issueSignIn, SIGN_IN_COOKIE, SIGN_IN_SECONDS, verifySignIn } from './sign-in-cookie.server'
import { typedFailures } from './typed-failures'

function parseChoice(form: unknown): DemoUser {
  const user = form instanceof FormData ? findDemoUser(form.get('user')) : undefined
  if (user === undefined) {
    throw new SessionDbError('invalid', 'There is no demo user of this name.')
  }
  return user
}

/** Who is signed in, for pages to decide what to show. Data is guarded where it is read. */
export const currentUser = createServerFn().handler(() => {
  setResponseHeader('cache-control', 'no-store')
  return verifySignIn(getCookie(SIGN_IN_COOKIE)) ?? null
})

/** Signs in as one of the demo's users, from a plain form: no password, this is a demo. */
export const signIn = createServerFn({ method: 'POST' })
  .middleware([typedFailures])
  .validator((form: FormData) => parseChoice(form))
  .handler(({ data: user }) => {
    setCookie(SIGN_IN_COOKIE, issueSignIn(user), {
      httpOnly: true,
      sameSite: 'lax',
      secure: getRequestUrl().protocol === 'https:',
      path: '/',
      maxAge: SIGN_IN_SECONDS,
    })
    throw redirect({ to: '/', statusCode: 303 })
  })

export const signOut = createServerFn({ method: 'POST' }).handler(() => {
  deleteCookie(SIGN_IN_COOKIE, { path: '/' })
})
