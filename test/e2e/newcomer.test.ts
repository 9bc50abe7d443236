import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryDirectories } from '../support/directories.ts'
import { type GuideStep, readGuide } from '../support/guide.ts'
import { packTarball } from '../support/package-tarball.ts'
import { openShell, type Shell } from '../support/shell.ts'
import { launchBrowser } from './support/browser.ts'

const GUIDE = resolve(import.meta.dirname, '../../docs/getting-started.md')

/** The guide's long-running commands, with the line they print when they are ready. */
const SERVERS: Readonly<Record<string, RegExp>> = {
  'npx session-db dev': /ready [\s\S]*ELECTRIC_URL=\S+/,
  'npm run dev': /Local:\s+http\S+/,
}

const directories = temporaryDirectories()
let first: Shell
let second: Shell
let browser: Browser
let url: string

beforeAll(async () => {
  const directory = await directories.create()
  const tarball = await packTarball(directory)
  first = openShell({ directory })
  second = openShell({ directory })
  let variables = ''
  for (const step of await readGuide(GUIDE)) {
    if (step.type === 'file') await writeAsTold(first, step)
    else await typeCommands(step.text)
  }

  async function typeCommands(text: string): Promise<void> {
    // The package is installed from its tarball; the variables are those that the terminal printed.
    const typed = text
      .replace('npm install @org/session-db\n', `npm install ${tarball}\n`)
      .replace(/^export .*$/m, () => `export ${variables}`)
    const [lastLine = ''] = typed.trim().split('\n').slice(-1)
    const ready = SERVERS[lastLine]
    if (ready === undefined) {
      await first.run(typed)
      return
    }
    const before = typed.trim().slice(0, -lastLine.length)
    if (before.trim()) await second.run(`cd ${first.directory()}\n${before}`)
    const shell = before.trim() ? second : first
    const said = await shell.start(before.trim() ? `env ${variables} ${lastLine}` : lastLine, ready)
    variables ||= (said.match(/(?:DATABASE|ELECTRIC)_URL=\S+/g) ?? []).join(' ')
    url = /Local:\s+(http\S+)/.exec(said)?.[1] ?? url
  }
  browser = await launchBrowser()
}, 600_000)

afterAll(async () => {
  await browser?.close()
  await second?.close()
  await first?.close()
  await directories.remove()
})

async function writeAsTold(shell: Shell, { path, text }: GuideStep & { type: 'file' }) {
  const file = join(shell.directory(), path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}

/** Opens a window with its own cookies and enters a name. */
async function openAs(name: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  await page.goto(url)
  await enter(page, 'Your name', name)
  return page
}

async function enter(page: Page, label: string, text: string): Promise<void> {
  await page.getByLabel(label).fill(text)
  await page.getByLabel(label).press('Enter')
}

test('the guide leads from an empty folder to a chat between two windows', async () => {
  const ann = await openAs('ann')
  const bob = await openAs('bob')
  await ann.getByRole('button', { name: 'Start a chat' }).click()
  await enter(ann, 'Message', 'Noodles?')
  await bob.getByText('ann: Noodles?').waitFor()
  await enter(bob, 'Message', 'At one.')
  await ann.getByText('bob: At one.').waitFor()

  await ann.reload()
  await ann.getByText('bob: At one.').waitFor()
  expect(await ann.getByRole('listitem').allTextContents()).toEqual([
    'ann: Noodles?',
    'bob: At one.',
  ])
})
