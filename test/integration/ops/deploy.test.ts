import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { glob, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { temporaryDirectories } from '../../support/directories.ts'

const run = promisify(execFile)
const deploy = resolve(import.meta.dirname, '../../../deploy')
const read = (file: string) => readFileSync(join(deploy, file), 'utf8')
const directories = temporaryDirectories()
afterAll(directories.remove)

const has = (command: string) => spawnSync(command, ['version']).error === undefined

interface Compose {
  readonly services: Record<string, { image: string; healthcheck?: unknown; volumes?: string[] }>
}

describe('compose.yaml', () => {
  const text = read('compose.yaml')
  const { services } = parse(text) as Compose

  test('env.example lists exactly its variables', () => {
    const used = new Set([...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name))
    const explained = [...read('env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name)
    expect(explained.sort()).toEqual([...used].sort())
  })

  test('images are pinned, mounted files exist, services have health checks', () => {
    for (const [name, { image, healthcheck, volumes = [] }] of Object.entries(services)) {
      expect(image, name).toMatch(/:\d|\$\{APP_IMAGE/)
      if (name !== 'setup') expect(healthcheck, name).toBeDefined()
      for (const volume of volumes.filter((path) => path.startsWith('.'))) {
        expect(existsSync(join(deploy, volume.split(':')[0] ?? '')), volume).toBe(true)
      }
    }
  })

  test.runIf(has('docker-compose'))('docker-compose takes it', async () => {
    const env = join(await directories.create(), 'env')
    await writeFile(env, read('env.example').replace(/=$/gm, '=secret'))
    const args = ['--env-file', env, '-f', join(deploy, 'compose.yaml'), 'config']
    const { stdout } = await run('docker-compose', args)
    expect(stdout).toContain('electricsql/electric:1.7.12')
  })
})

test('.env.example lists the variables that the library, its commands and the start app read', async () => {
  const root = resolve(deploy, '..')
  const read = new Set<string>()
  for await (const file of glob(['src/**/*.ts', 'examples/start-app/{src,scripts}/**/*.{ts,tsx}'], {
    cwd: root,
  })) {
    const source = await readFile(join(root, file), 'utf8')
    const text = source.replaceAll(/\/\*[\s\S]*?\*\//g, '')
    for (const [, one, other] of text.matchAll(
      /process\.env\.([A-Z_]+)|required\('([A-Z_]+)'\)/g,
    )) {
      read.add(one ?? other ?? '')
    }
  }
  // Set by Node, npm or the shell.
  for (const name of ['NODE_ENV', 'INIT_CWD', 'NO_COLOR', 'FORCE_COLOR', 'PATH', 'XDG_STATE_HOME'])
    read.delete(name)
  const text = await readFile(join(root, '.env.example'), 'utf8')
  const explained = [...text.matchAll(/^# ([A-Z_]+)=/gm)].map(([, name]) => name)
  expect(explained).toEqual(expect.arrayContaining([...read].sort()))
})

test('the Dockerfile builds and copies what exists', () => {
  const root = resolve(deploy, '..')
  const text = readFileSync(join(root, 'examples/start-app/Dockerfile'), 'utf8')
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const [, script] of text.matchAll(/^RUN npm run (\w+) --? ?/gm)) {
    expect(Object.keys(scripts)).toContain(script)
  }
  for (const [, paths = ''] of text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
    for (const path of paths.split(' ')) expect(existsSync(join(root, path)), path).toBe(true)
  }
  const [command = '[]'] = /\[.*\]$/m.exec(text.slice(text.lastIndexOf('CMD'))) ?? []
  expect(existsSync(join(root, (JSON.parse(command) as string[]).at(-1) ?? ''))).toBe(true)
})

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
}

test('Kubernetes manifests are valid YAML with matching kinds, names and probes', () => {
  const files = readdirSync(join(deploy, 'kubernetes'))
  const all = files.flatMap((file) =>
    parseAllDocuments(read(`kubernetes/${file}`)).map((document) => {
      expect(document.errors).toEqual([])
      return document.toJS() as Manifest
    }),
  )
  expect(all.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()).toEqual([
    'CronJob session-db-retention',
    'Deployment app',
    'NetworkPolicy electric',
    'Service app',
    'Service electric',
    'StatefulSet electric',
  ])
  const electric = read('kubernetes/electric.yaml')
  // httpGet takes 202 for success, so only the liveness probe may use it.
  expect(electric.match(/httpGet:/g)).toHaveLength(1)
  expect(electric.match(/grep -qx 200/g)).toHaveLength(2)
})
