import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'

/**
 * Everything that a build depends on, relative to the app's folder: sources, library, installed
 * versions.
 */
const INPUTS = ['src/**', 'public/**', 'scripts/build-app.ts', 'vite.config.ts', 'package.json']
const LIBRARY = '../../dist/**/*.js'
const LOCK_FILE = '../../package-lock.json'

/** Builds the app into dist/, unless dist/ is up to date. */
export async function buildApp(appDir: string): Promise<void> {
  const keyFile = resolve(appDir, 'dist/build-key')
  const key = await buildKey(appDir)
  if ((await readFile(keyFile, 'utf8').catch(() => '')) === key) return
  await rm(keyFile, { force: true })
  await viteBuild(appDir)
  await mkdir(dirname(keyFile), { recursive: true })
  await writeFile(keyFile, key)
}

async function buildKey(appDir: string): Promise<string> {
  const files: string[] = [LOCK_FILE]
  for await (const entry of glob([...INPUTS, LIBRARY], { cwd: appDir, withFileTypes: true })) {
    if (entry.isFile() && entry.name !== 'routeTree.gen.ts') {
      files.push(resolve(entry.parentPath, entry.name))
    }
  }
  const hash = createHash('sha256').update(process.version).update(viteConfig())
  for (const file of files.sort()) {
    hash.update(`\0${file}\0`)
    hash.update(await readFile(resolve(appDir, file)).catch(() => ''))
  }
  return hash.digest('hex')
}

/** Returns the file of Vite's configuration: the app's own, unless tests build it with another. */
function viteConfig(): string {
  return process.env.VITE_CONFIG ?? 'vite.config.ts'
}

/**
 * A separate process, because a build needs NODE_ENV=production and the embedded stack refuses it.
 * An inherited `test` would produce a build that can't run in production.
 */
async function viteBuild(appDir: string): Promise<void> {
  const vite = resolve(
    dirname(createRequire(import.meta.url).resolve('vite/package.json')),
    'bin/vite.js',
  )
  const options = ['--config', viteConfig(), '--logLevel', 'warn']
  const child = spawn(process.execPath, [vite, 'build', ...options], {
    cwd: appDir,
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  const code = await new Promise((done, reject) => child.once('error', reject).once('close', done))
  if (code !== 0) throw new Error(`vite build failed:\n${output}`)
}
