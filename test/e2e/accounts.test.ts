import { randomUUID } from 'node:crypto'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { createSession, messageTexts, openSession, sendMessage, setShared } from './support/app.ts'
import { useDemo } from './support/demo-database.ts'
import { useWindows } from './support/watch.ts'

const PASSWORD = 'correct horse'
/** A held long poll ends within 20 s, and a session is looked up again after 5 s. */
const REVOKED_MS = 30_000

const windows = useWindows()
const used = useDemo({ instances: 2 })

async function fillIn(page: Page, fields: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(fields)) {
    await page.getByTestId(`field-${name}`).fill(value)
  }
  await page.getByTestId('submit').click()
}

/** Signs a new user up from the current page. */
async function signUp(page: Page, name: string, email = `${randomUUID()}@example.com`) {
  await fillIn(page, { name, email, password: PASSWORD })
  return email
}

async function signOut(page: Page): Promise<void> {
  await page.getByTestId('user-menu').click()
  await page.getByTestId('sign-out').click()
  await page.waitForURL(/\/sign-in/)
}

const tenantOf = (page: Page) => page.getByTestId('tenant').textContent()

async function chooseOrganization(page: Page, name: string): Promise<void> {
  await page.getByTestId('organization-menu').click()
  await page.getByRole('menuitem', { name, exact: true }).click()
  await expect.poll(() => tenantOf(page)).toBe(name)
}

/** Sends a request with a window's cookies and returns the response. */
async function statusOf(page: Page, path: string): Promise<[number, unknown]> {
  const response = await page.context().request.get(new URL(path, used.demo.url).href)
  const body = await response.json().catch(() => null)
  return [response.status(), body?.error?.code]
}

test('signs up, out and in again, and reports a wrong password', async () => {
  const { page } = await windows.openEmpty()
  await page.goto(`${used.demo.url}/sessions/nowhere?view=chat`)
  expect(new URL(page.url()).pathname).toBe('/sign-in')
  await page.getByRole('link', { name: 'Create an account' }).click()
  const email = await signUp(page, 'Dora')
  // Returns to the address that was requested before signing in.
  await page.waitForURL(/\/sessions\/nowhere\?view=chat$/)
  expect(await tenantOf(page)).toBe('Dora’s organisation')
  const sessionId = await createSession(page, 'Dora’s own')

  await signOut(page)
  expect(await statusOf(page, '/api/shapes/sessions?offset=-1')).toEqual([401, 'unauthenticated'])
  expect(await statusOf(page, '/api/uploads/x')).toEqual([401, 'unauthenticated'])
  await page.goBack()
  await page.getByTestId('submit').waitFor()
  expect(await page.getByText('Dora’s own').count()).toBe(0)

  windows.allow(/401/)
  await fillIn(page, { email, password: 'wrong horse' })
  await page.getByRole('alert').waitFor()
  expect(await page.getByTestId('field-email').inputValue()).toBe(email)
  await fillIn(page, { email, password: PASSWORD })
  await page.getByTestId(`session-${sessionId}`).waitFor()
})

test('pages allow only their own scripts, and no other site to frame them', async () => {
  const response = await fetch(`${used.demo.url}/sign-in`)
  const policy = response.headers.get('content-security-policy') ?? ''
  const nonce = /script-src 'self' 'nonce-([^']{20,})'/.exec(policy)?.[1]
  expect(policy).toContain("default-src 'self'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  expect(response.headers.get('referrer-policy')).toBe('strict-origin-when-cross-origin')
  const scripts = (await response.text()).match(/<script\b[^>]*>/g) ?? []
  expect(scripts.length).toBeGreaterThan(0)
  for (const script of scripts) expect(script).toContain(`nonce="${nonce}"`)
  const again = await fetch(`${used.demo.url}/sign-in`)
  expect(again.headers.get('content-security-policy')).not.toBe(policy)
})

test('refuses a taken and an invalid email address with a reason', async () => {
  const { page } = await windows.openEmpty()
  windows.allow(/422/)
  await page.goto(`${used.demo.url}/sign-up`)
  await signUp(page, 'Second Ann', 'ann@demo.example')
  expect(await page.getByRole('alert').textContent()).toMatch(/exist/i)
  await signUp(page, 'Nobody', 'not an address')
  expect(new URL(page.url()).pathname).toBe('/sign-up')
})

test('an invited user joins by link, switches organisations in all tabs, and is removed', async () => {
  const ann = await windows.open(used.demo.url, 'ann')
  const shared = await createSession(ann.page, 'For all of Acme')
  await setShared(ann.page, shared, true)
  await ann.page.getByTestId('organization-menu').click()
  await ann.page.getByTestId('people').click()
  const email = `${randomUUID()}@example.com`
  await ann.page.getByTestId('invite-email').fill(email)
  await ann.page.getByTestId('invite').click()
  const link = await ann.page.getByTestId('invitation-link').inputValue()

  // The link is for this address alone.
  const eve = await windows.open(used.demo.url, 'eve')
  windows.allow(/403/)
  await eve.page.goto(link)
  await eve.page.getByTestId('submit').click()
  await eve.page.getByRole('alert').waitFor()

  const carl = await windows.openEmpty()
  await carl.page.goto(link)
  await signUp(carl.page, 'Carl', email)
  await carl.page.waitForURL(link)
  await carl.page.getByTestId('submit').click()
  await carl.page.getByTestId(`session-${shared}`).waitFor()
  expect(await tenantOf(carl.page)).toBe('Acme')

  const tab = await windows.openTab(carl)
  await tab.goto(used.demo.url)
  await tab.getByTestId(`session-${shared}`).waitFor()
  await chooseOrganization(carl.page, 'Carl’s organisation')
  // The other tab follows: a sign-in belongs to one organisation at a time.
  await expect.poll(() => tenantOf(tab)).toBe('Carl’s organisation')
  await expect.poll(() => tab.getByTestId(`session-${shared}`).count()).toBe(0)
  const own = await createSession(carl.page, 'Carl’s own')
  await tab.getByTestId(`session-${own}`).waitFor()
  await tab.close()
  await chooseOrganization(carl.page, 'Acme')
  await openSession(carl.page, shared)
  expect(await carl.page.getByTestId(`session-${own}`).count()).toBe(0)

  windows.allow(/401/)
  await ann.page.reload()
  await ann.page.getByTestId('organization-menu').click()
  await ann.page.getByTestId('people').click()
  await ann.page.getByRole('button', { name: 'Remove Carl' }).click()
  const removed = Date.now()
  await expect.poll(() => tenantOf(carl.page), { timeout: REVOKED_MS }).toBe('Carl’s organisation')
  console.info(`Carl's window showed nothing of Acme ${Date.now() - removed} ms after his removal`)
  await carl.page.getByTestId(`session-${own}`).waitFor()
  expect(await carl.page.getByTestId(`session-${shared}`).count()).toBe(0)
})

test('a page of one organisation cannot write into another after a switch', async () => {
  const { page } = await windows.open(used.demo.url, 'eve')
  await page.getByTestId('organization-menu').click()
  await page.getByTestId('new-organization').click()
  await page.getByTestId('title-input').fill('Initech')
  await page.getByTestId('title-save').click()
  await expect.poll(() => tenantOf(page)).toBe('Initech')
  const write = (organization: string) =>
    page.evaluate(async (shown) => {
      const value = { id: crypto.randomUUID(), title: `For ${shown}`, source: 'upload' }
      const mutation = { collection: 'sessions', type: 'insert', value }
      const response = await fetch('/api/write', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-organization': shown },
        body: JSON.stringify({ id: crypto.randomUUID(), mutations: [mutation] }),
      })
      return response.status
    }, organization)
  windows.allow(/401/)
  // An instance may remember the previous organisation for five seconds, and then still writes there.
  await expect.poll(() => write('globex')).toBe(401)
  const { rows } = await used.database.query(
    `SELECT id FROM auth.organization WHERE name = 'Initech'`,
  )
  expect(await write(rows[0].id)).toBe(200)
  const stored = await used.database.query<{ tenant_id: string; title: string }>(
    `SELECT tenant_id, title FROM sessions WHERE title LIKE 'For %' AND tenant_id IN ('globex', $1)`,
    [rows[0].id],
  )
  expect(stored.rows).toContainEqual({ tenant_id: rows[0].id, title: `For ${rows[0].id}` })
  expect(stored.rows.filter(({ tenant_id, title }) => title !== `For ${tenant_id}`)).toEqual([])
  await chooseOrganization(page, 'Globex')
})

test('keeps a draft when the sign-in expires, until the next sign-in', async () => {
  const { page } = await windows.open(used.demo.url, 'bob')
  const sessionId = await createSession(page, 'Interrupted')
  await sendMessage(page, 'before the end')
  await expect.poll(() => messageTexts(page)).toEqual(['before the end'])

  windows.allow(/401/)
  await used.database.query(
    `UPDATE auth.session SET "expiresAt" = now() - interval '1 second' WHERE "userId" = 'bob'`,
  )
  await sendMessage(page, 'at the end')
  await page.getByTestId('composer').pressSequentially('half a thou')
  await page.waitForURL(/\/sign-in\?ended/, { timeout: REVOKED_MS })
  await page.getByRole('status').waitFor()
  expect(await statusOf(page, '/api/shapes/sessions?offset=-1')).toEqual([401, 'unauthenticated'])

  await page.getByTestId('sign-in-bob').click()
  await page.waitForURL(new RegExp(`/sessions/${sessionId}`))
  await expect.poll(() => messageTexts(page)).toEqual(['before the end', 'at the end'])
  expect(await page.getByTestId('composer').inputValue()).toBe('half a thou')
  const { rows } = await used.database.query(
    `SELECT count(*)::int AS count FROM chat_messages WHERE content = 'at the end'`,
  )
  expect(rows).toEqual([{ count: 1 }])
})

test('users who share a browser do not see each other’s drafts', {
  timeout: 120_000,
}, async () => {
  const { page, context } = await windows.openEmpty()
  await page.goto(used.demo.url)
  await page.getByTestId('sign-in-ann').click()
  await page.getByTestId('session-list').waitFor()
  const sessionId = await createSession(page, 'One browser for two')
  await setShared(page, sessionId, true)
  const draft = page.getByTestId('composer')
  const continueAs = async (user: string) => {
    await page.getByTestId(`sign-in-${user}`).click()
    await page.getByTestId('session-list').waitFor()
    await openSession(page, sessionId)
  }
  await draft.fill('Ann’s secret')

  const endSession = async () => {
    // The page would notice by itself and leave.
    await page.goto('about:blank')
    await context.clearCookies()
    await page.goto(`${used.demo.url}/sessions/${sessionId}`)
  }

  // Ann's sign-in expires, and Bob signs in at the same address.
  await endSession()
  await continueAs('bob')
  expect(await draft.inputValue()).toBe('')
  await draft.fill('Bob’s secret')
  await endSession()
  await continueAs('ann')
  expect(await draft.inputValue()).toBe('Ann’s secret')

  // Signing out clears the drafts.
  const left = () =>
    page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.startsWith('draft:')))
  expect(await left()).toHaveLength(2)
  await signOut(page)
  await expect.poll(left).toEqual([])
  await continueAs('ann')
  expect(await draft.inputValue()).toBe('')
})

test('refuses writes and sign-ins from another site', async () => {
  const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  const { page } = await windows.open(used.demo.url, 'ann')
  for (const path of ['/api/write', '/api/auth/sign-out', '/api/auth/organization/create']) {
    const url = new URL(path, used.demo.url).href
    const response = await page.context().request.post(url, { headers, data: {} })
    expect([path, response.status()]).toEqual([path, 403])
  }
})
