import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { choosePort } from '../../src/dev/ports.ts'
import { launchBrowser, watchConsole } from '../e2e/support/browser.ts'
import { openShell, type Shell } from '../support/shell.ts'

const recipe = join(import.meta.dirname, '../../docs/recipes/server-rendering.md')

/**
 * Builds the Next app of the recipe for rendering on a server, and opens it: the first rows are in the HTML, only
 * those of the user, and Chromium hydrates them without a warning and shows later rows.
 */
export async function rendersFirstRows(options: {
  readonly directory: string
  readonly node: string
}): Promise<void> {
  const { directory } = options
  const shell = openShell(options)
  const servers = openShell(options)
  try {
    await writeRecipe(directory)
    await shell.run('npx session-db init')
    await shell.run('NEXT_TELEMETRY_DISABLED=1 npx next build')
    const output = await servers.start(
      'npx session-db dev --directory .session-db-dev',
      /ready [\s\S]*ELECTRIC_URL=\S+/,
    )
    const variables = (output.match(/(?:DATABASE|ELECTRIC)_URL=\S+/g) ?? []).join(' ')
    await shell.run(`${variables} npx session-db migrate`)
    await opensPage(await startNext(servers, variables))
  } finally {
    await servers.close()
    await shell.close()
  }
}

/** Writes the files of the recipe's section about Next. */
async function writeRecipe(directory: string): Promise<void> {
  const text = await readFile(recipe, 'utf8')
  const blocks = [...text.matchAll(/^```tsx\n\/\/ (app\/\S+\.tsx)\n(.*?)^```$/gms)]
  assert.equal(blocks.length, 2, `${recipe} has other files than app/page.tsx and app/sessions.tsx`)
  for (const [, path = '', code = ''] of blocks) {
    await mkdir(join(directory, dirname(path)), { recursive: true })
    await writeFile(join(directory, path), code)
  }
}

async function startNext(shell: Shell, variables: string): Promise<string> {
  const port = await choosePort({})
  const next = 'node node_modules/next/dist/bin/next start --hostname 127.0.0.1'
  await shell.start(`env ${variables} ${next} --port ${port}`, /Ready in/)
  return `http://127.0.0.1:${port}`
}

async function opensPage(url: string): Promise<void> {
  await insertSession(url, 'ada', 'Written before the page was opened')
  await insertSession(url, 'bob', 'Of another user')
  const response = await fetch(url, { headers: { cookie: 'user=ada' } })
  const html = await response.text()
  assert.match(html, /<p>Written before the page was opened<\/p>/)
  assert.doesNotMatch(html, /Of another user/)

  const browser = await launchBrowser()
  try {
    const context = await browser.newContext()
    await context.addCookies([{ name: 'user', value: 'ada', url }])
    const page = await context.newPage()
    const complaints = watchConsole(page)
    await page.goto(url)
    await page.getByText('Written before the page was opened').waitFor()
    await insertSession(url, 'ada', 'Written while the page is open')
    await page.getByText('Written while the page is open').waitFor()
    assert.equal(await page.getByText('Written').count(), 2)
    // A mismatch of the hydration is a message of the console.
    assert.deepEqual(
      complaints.filter((text) => !/favicon|404/.test(text)),
      [],
    )
  } finally {
    await browser.close()
  }
}

async function insertSession(url: string, user: string, title: string): Promise<void> {
  const response = await fetch(`${url}/api/write`, {
    method: 'POST',
    headers: { cookie: `user=${user}`, origin: url, 'content-type': 'application/json' },
    body: JSON.stringify({
      id: crypto.randomUUID(),
      mutations: [
        { collection: 'sessions', type: 'insert', value: { id: crypto.randomUUID(), title } },
      ],
    }),
  })
  assert.equal(response.status, 200, await response.text())
}
