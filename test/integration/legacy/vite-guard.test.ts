// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts are code.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { rollup } from 'rollup'
import { build, type Plugin } from 'vite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runCli } from '../../../src/cli/run-cli.ts'
import { checkDirectories } from '../../../src/legacy/guard/legacy-files.ts'
import { legacySnapshotGuard } from '../../../src/legacy/guard/vite-plugin.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'session-db-app-'))
})
afterEach(() => rm(root, { recursive: true }))

async function app(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
}

const viteBuild = (ssr: boolean, allow: string[] = [], before: Plugin[] = []) =>
  build({
    root,
    configFile: false,
    logLevel: 'silent',
    plugins: [...before, legacySnapshotGuard({ allow })],
    build: {
      outDir: 'out',
      ...(ssr ? { ssr: 'src/server.ts' } : { lib: { entry: 'src/client.tsx', formats: ['es'] } }),
    },
  })

const oldStore = `import path from 'node:path'
import fs from 'node:fs/promises'

const DATA_DIR = path.join(process.cwd(), 'data')
const THREADS: string = path.join(DATA_DIR, 'chat-threads.json')
export const load = async (): Promise<unknown> => JSON.parse(await fs.readFile(THREADS, 'utf8'))
`

describe('fails a production build, with file and line,', () => {
  test('of a server that reads a snapshot as the old app did', async () => {
    await app({
      'src/store.ts': oldStore,
      'src/server.ts': `export { load } from './store.ts'\n`,
    })
    await expect(viteBuild(true)).rejects.toThrow(/src\/store\.ts:5:46\s+chat-threads\.json/)
  })

  test('of a server whose modules share a name', async () => {
    await app({
      'src/names.ts': `export enum Store { Threads = 'chat-threads' }\nexport const ext = '.json'\n`,
      'src/server.ts':
        "import { ext, Store } from './names.ts'\n\nexport const file = (dir: string) => `${dir}/data/${Store.Threads}${ext}`\n",
    })
    await expect(viteBuild(true)).rejects.toThrow(/src\/names\.ts:1:\d+\s+chat-threads/)
  })

  test('of a client that fetches one', async () => {
    await app({
      'src/client.tsx': `type A = string\nexport const load = (): Promise<Response> => fetch('/data/chat-messages.json')\n`,
    })
    await expect(viteBuild(false)).rejects.toThrow(
      /src\/client\.tsx:2:\d+\s+\/data\/chat-messages\.json/,
    )
  })

  test('at the line in the source, when another plugin has moved it', async () => {
    await app({
      'src/store.ts': oldStore,
      'src/server.ts': `export { load } from './store.ts'\n`,
    })
    const banner: Plugin = {
      name: 'banner',
      enforce: 'pre',
      transform(code, id) {
        if (!id.endsWith('store.ts')) return null
        // Three lines without an origin, then each line from the one it was.
        const mappings = `;;;AAAA${';AACA'.repeat(code.split('\n').length - 1)}`
        const map = { version: 3, names: [], sources: [id], sourcesContent: [code], mappings }
        return { code: `// one\n// two\n// three\n${code}`, map }
      },
    }
    await expect(viteBuild(true, [], [banner])).rejects.toThrow(/src\/store\.ts:5:46\s/)
  })

  test('with Rollup', async () => {
    await app({ 'main.js': `export const f = ['data', 'chat-threads.json'].join('/')\n` })
    const bundling = rollup({ input: join(root, 'main.js'), plugins: [legacySnapshotGuard()] })
    await expect(bundling).rejects.toThrow(/main\.js:1:28/)
  })
})

test('builds a clean app, and code that is allowed to name them', async () => {
  await app({
    'src/client.tsx': `export const key = ['chat-threads']\n`,
    'src/server.ts': `// once data/chat-threads.json\nexport const ok: boolean = true\n`,
  })
  await viteBuild(false)
  await viteBuild(true)
  await app({ 'src/server.ts': `export * from './store.ts'\n`, 'src/store.ts': oldStore })
  await viteBuild(true, ['src/store.ts'])
})

test('check-legacy exits with 1 for a finding, else with 0', async () => {
  await app({ 'src/store.ts': oldStore, 'src/store.test.ts': oldStore })
  expect(await runCli(['check-legacy', join(root, 'src')])).toBe(1)
  process.exitCode = undefined
  await app({ 'src/store.ts': 'export {}' })
  expect(await runCli(['check-legacy', join(root, 'src'), '--json'])).toBe(0)
})

test('check-legacy names a path that does not exist', async () => {
  const missing = join(root, 'scr')
  await expect(checkDirectories([missing])).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining(`There is no file or directory ${missing}.`),
  })
})
