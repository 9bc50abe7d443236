import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { choosePort } from '../../src/dev/ports.ts'
import { launchBrowser } from '../e2e/support/browser.ts'
import { type GuideStep, readGuide } from '../support/guide.ts'
import { openShell, type Shell } from '../support/shell.ts'

const project = join(import.meta.dirname, 'projects/origin')
const repository = join(import.meta.dirname, '../..')
const guide = join(repository, 'docs/cutover.md')
const snapshots = join(repository, 'test/fixtures/legacy-data/7f9df6a')

/** The modules of the old stores, which the guide says to delete. */
const STORES = [
  'snapshots.server.ts',
  'chat-threads.server.ts',
  'chat-messages.server.ts',
  'chat-tool-events.server.ts',
  'session-uploads.server.ts',
]

/** Moves an app of the old app's structure by docs/cutover.md, and uses what it has become. */
export async function moveOrigin(options: {
  readonly directory: string
  readonly node: string
  readonly tarball: string
}): Promise<void> {
  const { directory, node } = options
  const shell = openShell({ directory, node })
  const database = openShell({ directory, node })
  try {
    await installOldApp(shell, directory)
    await findsLegacyUses(shell)
    const steps = await followGuide(shell, options)
    const variables = await startDatabase(database)
    await importSnapshots(shell, variables)
    // Nothing may depend on the files from here on.
    await rename(join(directory, 'data'), join(directory, 'data-of-the-old-app'))
    await useApp(directory, node, variables)
    const { added, removed, files } = await countChanges(directory)
    console.log(`  ${steps} steps, +${added}/−${removed} lines in ${files} files`)
    assert(added < 170, `The move adds ${added} lines. A trial without the guide took 500.`)
  } finally {
    await shell.close()
    await database.close()
  }
}

async function installOldApp(shell: Shell, directory: string): Promise<void> {
  await cp(join(project, 'before'), directory, { recursive: true })
  await cp(snapshots, join(directory, 'data'), { recursive: true })
  await mkdir(join(directory, 'logs'))
  await writeFile(join(directory, 'logs/run.jsonl'), '{"type":"x"}\n')
  await shell.run('npm install --no-audit --no-fund --loglevel=error --prefer-offline')
}

/** The old app names each of the three snapshots. */
async function findsLegacyUses(shell: Shell): Promise<void> {
  const program = join(repository, 'dist/cli.js')
  const failure = await shell
    .run(`node ${program} check-legacy src`)
    .catch(({ message }) => message)
  for (const file of ['chat-threads', 'chat-messages', 'chat-tool-events']) {
    assert.match(failure, new RegExp(`${file}\\.server\\.ts:\\d+`))
  }
  const found = await shell.run(`node ${program} doctor --directory .`).catch((e) => e.message)
  for (const check of ['tanstack-versions', 'start-validator', 'nitro-debug']) {
    assert(found.includes(check), `The doctor does not name ${check}:\n${found}`)
  }
}

/** Takes the steps of the section "In two steps", and returns their number. */
async function followGuide(
  shell: Shell,
  { directory, tarball }: { readonly directory: string; readonly tarball: string },
): Promise<number> {
  const steps = await stepsOf('In two steps', directory)
  for (const step of steps) {
    if (step.type === 'file') await writeAsTold(directory, step)
    else {
      const isCheck = step.text.includes('check-legacy')
      if (isCheck) await editApp(directory)
      const text = step.text.replace('@org/session-db ', `${tarball} `)
      await shell.run(text.replaceAll('npm install', 'npm install --no-audit --no-fund'))
    }
  }
  // The app's own files that are edited, and the stores that are deleted, are one step each.
  return steps.length + 2
}

async function stepsOf(heading: string, directory: string): Promise<GuideStep[]> {
  const text = await readFile(guide, 'utf8')
  const [, section = ''] = text.split(`\n## ${heading}\n`)
  const file = join(directory, 'section.md')
  await writeFile(file, section.split('\n## ')[0] ?? '')
  const steps = await readGuide(file)
  await rm(file)
  assert(steps.length > 0, `The guide has no steps in "${heading}"`)
  return steps
}

async function writeAsTold(directory: string, step: GuideStep & { type: 'file' }): Promise<void> {
  const file = join(directory, step.path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, step.text)
}

/** Edits the app's own files and deletes its stores, as the guide describes. */
async function editApp(directory: string): Promise<void> {
  await cp(join(project, 'after'), directory, { recursive: true })
  for (const name of STORES) await rm(join(directory, 'src/lib', name))
}

async function startDatabase(shell: Shell): Promise<string> {
  const command = 'npx session-db dev --directory .session-db-dev'
  const said = await shell.start(command, /ready [\s\S]*ELECTRIC_URL=\S+/)
  return (said.match(/(?:DATABASE|ELECTRIC)_URL=\S+/g) ?? []).join(' ')
}

/** Imports as the guide says, twice: the second import must change nothing. */
async function importSnapshots(shell: Shell, variables: string): Promise<void> {
  const steps = await stepsOf('Checklist', shell.directory())
  const isImport = ({ text }: GuideStep) => text.includes('import-report.json')
  const step = steps.find(isImport)
  assert(step, 'The guide has no step that imports')
  await shell.run(`export ${variables}\n${step.text}`)
  const report = JSON.parse(await readFile(join(shell.directory(), 'import-report.json'), 'utf8'))
  assert.deepEqual([report.ok, report.changed], [true, false])
}

interface Instance {
  readonly url: string
  stop(): Promise<void>
}

async function startInstance(
  directory: string,
  node: string,
  variables: string,
): Promise<Instance> {
  const port = await choosePort({})
  const shell = openShell({ directory, node })
  const environment = `PORT=${port} HOST=127.0.0.1 NODE_ENV=production ${variables}`
  const ready = new RegExp(`Listening|:${port}`)
  await shell.start(`env ${environment} node .output/server/index.mjs`, ready)
  return { url: `http://127.0.0.1:${port}`, stop: () => shell.close() }
}

interface Chat {
  readonly sessionId: string
  readonly thread: { readonly id: string }
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly toolCalls: number
}

async function useApp(directory: string, node: string, variables: string): Promise<void> {
  const start = () => startInstance(directory, node, variables)
  let instances = await Promise.all([start(), start()])
  const [first, second] = instances as [Instance, Instance]
  const browser = await launchBrowser()
  try {
    await keepsHistory(first, second)
    await racesOnFirstUse(first, second)
    await followsFiles(directory, first, second)
    const answered = await isLive(browser, first, second)
    await Promise.all(instances.map((instance) => instance.stop()))
    instances = await Promise.all([start(), start()])
    const after = await chatOf(instances[0]?.url ?? '', 'acme.ada')
    assert(after.messages.some(({ content }) => content === answered))
  } finally {
    await browser.close()
    await Promise.all(instances.map((instance) => instance.stop()))
  }
}

async function get<Result>(url: string, user: string): Promise<Result> {
  const response = await fetch(url, { headers: { cookie: `user=${user}` } })
  const text = await response.text()
  assert.equal(response.status, 200, `${url} as ${user}: ${text}`)
  return JSON.parse(text) as Result
}

const chatOf = (url: string, user: string) => get<Chat>(`${url}/api/chat`, user)

/** The user of the import has the history on both instances; other users and tenants start afresh. */
async function keepsHistory(first: Instance, second: Instance): Promise<void> {
  const old = JSON.parse(await readFile(join(snapshots, 'chat-messages.json'), 'utf8')) as {
    readonly sessionId: string
    readonly content: string
    readonly createdAt: string
  }[]
  const expected = old
    .filter(({ sessionId }) => sessionId === 'session-default')
    .sort((one, other) => one.createdAt.localeCompare(other.createdAt))
    .map(({ content }) => content)
  for (const { url } of [first, second]) {
    const chat = await chatOf(url, 'acme.ada')
    assert.deepEqual(
      chat.messages.map(({ content }) => content),
      expected,
    )
    assert.equal(chat.toolCalls, 3)
    for (const user of ['acme.bob', 'other.ada']) {
      const { messages, toolCalls } = await chatOf(url, user)
      assert.deepEqual([messages, toolCalls], [[], 0])
    }
  }
}

async function racesOnFirstUse(first: Instance, second: Instance): Promise<void> {
  const chats = await Promise.all(
    Array.from({ length: 8 }, (_, n) => chatOf((n % 2 ? first : second).url, 'acme.carl')),
  )
  assert.equal(new Set(chats.map(({ thread }) => thread.id)).size, 1)
}

/** The watch route creates one upload per file, on whichever instance, and follows the file. */
async function followsFiles(directory: string, first: Instance, second: Instance): Promise<void> {
  type Watched = { upload: { id: string }; content: string; count: number }
  const watch = (instance: Instance) => get<Watched>(`${instance.url}/api/watch`, 'acme.ada')
  const [one, other] = await Promise.all([watch(first), watch(second)])
  assert.deepEqual([one.upload.id, one.count], [other.upload.id, 1])
  await writeFile(join(directory, 'logs/run.jsonl'), '{"type":"x"}\n{"type":"y"}\n')
  const later = await watch(second)
  assert.deepEqual([later.upload.id, later.count], [one.upload.id, 1])
  assert.match(later.content, /"y"/)
}

/** A message of one window shows in another one, on the other instance, with the model's answer. */
async function isLive(browser: Browser, first: Instance, second: Instance): Promise<string> {
  const open = async (url: string, user: string): Promise<Page> => {
    const context = await browser.newContext()
    await context.addCookies([{ name: 'user', value: user, url }])
    const page = await context.newPage()
    await page.goto(url)
    await page.getByLabel('Message').waitFor()
    return page
  }
  const one = await open(first.url, 'acme.ada')
  const other = await open(second.url, 'acme.ada')
  const stranger = await open(second.url, 'other.ada')
  const before = await chatOf(first.url, 'acme.ada')
  await other
    .getByText(before.messages[0]?.content.slice(0, 40) ?? '')
    .first()
    .waitFor()
  await one.getByLabel('Message').fill('What did we say?')
  await one.getByLabel('Message').press('Enter')
  await other.getByText('user: What did we say?').waitFor()
  const known = before.messages.length + 1
  const own = before.messages.filter(({ role }) => role === 'assistant').length
  const answer = `I know ${known} messages, ${own} of them mine.`
  await other.getByText(`assistant: ${answer}`).waitFor()
  assert.equal(await stranger.getByRole('listitem').count(), 0)
  return answer
}

/** Counts the lines that the move has changed in the app, without its lockfile. */
async function countChanges(directory: string) {
  const before = join(project, 'before')
  const names = ['src', 'package.json', 'vite.config.ts']
  const outputs = await Promise.all(
    names.map((name) =>
      promisify(execFile)('git', [
        ...['diff', '--no-index', '--no-renames', '--numstat'],
        ...[join(before, name), join(directory, name)],
      ]).then(
        ({ stdout }) => stdout,
        ({ stdout }: { stdout: string }) => stdout,
      ),
    ),
  )
  const rows = outputs
    .join('\n')
    .split('\n')
    .map((line) => /^(\d+)\t(\d+)\t(.*)$/.exec(line))
    .filter((match) => match !== null && !match[3]?.includes('routeTree.gen'))
  const sum = (index: number) => rows.reduce((total, row) => total + Number(row?.[index]), 0)
  return { added: sum(1), removed: sum(2), files: rows.length }
}
