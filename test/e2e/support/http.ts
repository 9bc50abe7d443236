import { launchBrowser, openWindow } from './browser.ts'

/** A signed-in user who sends HTTP requests. */
export interface HttpSession {
  readonly cookie: string
  write(batch: unknown): Promise<Response>
  get(path: string): Promise<Response>
}

/** Signs in through the page and keeps the cookie. */
export async function signIn(url: string, user: string): Promise<HttpSession> {
  const browser = await launchBrowser()
  try {
    const { context } = await openWindow(browser, url, user)
    const cookies = await context.cookies()
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
    return {
      cookie,
      write: (batch) =>
        fetch(new URL('/api/write', url), {
          method: 'POST',
          headers: { cookie, 'content-type': 'application/json' },
          body: typeof batch === 'string' ? batch : JSON.stringify(batch),
        }),
      get: (path) => fetch(new URL(path, url), { headers: { cookie } }),
    }
  } finally {
    await browser.close()
  }
}
