import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { choosePort } from '../../../src/dev/free-port.ts'
import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import { migrate } from '../../../src/server/index.ts'
import { freshDatabase } from '../../support/database.ts'
import { temporaryDirectories } from '../../support/directories.ts'

const run = promisify(execFile)
const deploy = resolve(import.meta.dirname, '../../../deploy')
const read = (file: string) => readFileSync(join(deploy, file), 'utf8')
const directories = temporaryDirectories()
afterAll(directories.remove)

const NGINX = '/usr/sbin/nginx'
const has = (command: string) => spawnSync(command, ['version']).error === undefined

interface Compose {
  readonly services: Record<string, { image: string; healthcheck?: unknown; volumes?: string[] }>
}

describe('compose.yaml', () => {
  const text = read('compose.yaml')
  const { services } = parse(text) as Compose

  test('every variable it needs is explained in env.example, and no other is', () => {
    const used = new Set([...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name))
    const explained = [...read('env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name)
    expect(explained.sort()).toEqual([...used].sort())
  })

  test('images are pinned, files it mounts are there, what stays up is checked', () => {
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

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
}

test('Kubernetes manifests are YAML whose kinds, names and probes belong together', () => {
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
  // 202 is success for httpGet: only the liveness probe may ask that way.
  expect(electric.match(/httpGet:/g)).toHaveLength(1)
  expect(electric.match(/grep -qx 200/g)).toHaveLength(2)
})

/** Runs nginx with one of our files, in a directory of its own, as an ordinary user would. */
async function startNginx(file: string, replace: (text: string) => string) {
  const directory = await directories.create()
  await mkdir(join(directory, 'cache'))
  const own = replace(read(file))
    .replaceAll('/var/cache/nginx/electric', join(directory, 'cache'))
    .replaceAll('/dev/stdout', join(directory, 'access.log'))
  const config = join(directory, 'nginx.conf')
  await writeFile(
    config,
    `daemon off; pid ${directory}/pid; error_log ${directory}/error.log;
     ${process.getuid?.() === 0 ? 'user root;' : ''}
     events {} http { ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
       .map((name) => `${name}_temp_path ${directory}/${name};`)
       .join(' ')} ${own} }`,
  )
  return { directory, config }
}

describe.runIf(existsSync(NGINX))('nginx', () => {
  test('the cache beside Electric: one answer for all, no other path, no secret in the log', async () => {
    const database = await freshDatabase()
    await migrate({ database: database.url })
    const shapes = await createShapeServer({ databaseUrl: database.url, secret: 'hidden' })
    const upstream = new URL((await shapes.listen()).url).host
    const port = await choosePort({})
    const { directory, config } = await startNginx('nginx/electric-cache.conf', (text) =>
      text
        .replace('server electric:3000', `server ${upstream}`)
        .replace('listen 8080', `listen 127.0.0.1:${port}`),
    )
    await run(NGINX, ['-t', '-c', config])
    const nginx = spawn(NGINX, ['-c', config], { stdio: 'ignore' })
    const ended = once(nginx, 'exit')
    const base = `http://127.0.0.1:${port}`
    await expect
      .poll(
        () =>
          fetch(`${base}/v1/health`).then(
            (r) => r.status,
            () => 0,
          ),
        { timeout: 10_000 },
      )
      .toBe(200)
    const ask = (path: string, query: Record<string, string> = {}) =>
      fetch(
        `${base}${path}?${new URLSearchParams({ table: 'sessions', offset: '-1', secret: 'hidden', ...query })}`,
      )
    const first = await ask('/v1/shape')
    const second = await ask('/v1/shape')
    expect([first.status, first.headers.get('x-cache-status')]).toEqual([200, 'MISS'])
    expect([second.status, second.headers.get('x-cache-status')]).toEqual([200, 'HIT'])
    expect(await second.text()).toBe(await first.text())
    expect(second.headers.get('electric-handle')).toBe(first.headers.get('electric-handle'))
    const refused = await ask('/v1/shape', { secret: 'wrong' })
    expect(refused.status).toBe(401)
    for (const path of ['/v1/shape/', '/v1//shape', '/v1/shapes', '/', '/metrics']) {
      const { status } = await ask(path, { secret: '' })
      expect([401, 404], path).toContain(status)
    }
    nginx.kill('SIGQUIT')
    await ended
    const log = readFileSync(join(directory, 'access.log'), 'utf8')
    expect(log).toContain('"GET /v1/shape" 200')
    expect(log).not.toContain('hidden')
    await shapes.close()
    await database.drop()
  })

  test('the configuration before the app is one nginx takes', async () => {
    const directory = await directories.create()
    const key = join(directory, 'privkey.pem')
    const certificate = join(directory, 'fullchain.pem')
    const subject = ['-subj', '/CN=app.example', '-days', '1', '-nodes']
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-keyout',
      key,
      '-out',
      certificate,
      ...subject,
    ])
    const port = await choosePort({})
    const { config } = await startNginx('nginx/app.conf', (text) =>
      text
        .replace('server app:3000', 'server 127.0.0.1:1')
        .replace('listen 443', `listen 127.0.0.1:${port}`)
        .replaceAll('/etc/nginx/tls', directory),
    )
    const { stderr } = await run(NGINX, ['-t', '-c', config])
    expect(stderr).toContain('test is successful')
  })
})
