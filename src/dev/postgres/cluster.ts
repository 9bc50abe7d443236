import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { SessionDbError } from '../../errors.ts'
import { EMBEDDED_POSTGRES_VERSION, type PostgresBinaries } from './binaries.ts'
import type { ServerUser } from './server-user.ts'
import { plainEnvironment } from './supervised-server.ts'

/** An initialised Postgres data directory and its superuser's password. */
export type Cluster = { readonly dataDirectory: string; readonly password: string }

/**
 * Opens the cluster in a server directory, creating it if there is none. It is created under another name
 * and then renamed, so that an interrupted creation leaves no partial cluster.
 *
 * @throws SessionDbError `unavailable` when initdb fails or the cluster has another major version,
 * `invalid` when it was created with another password
 */
export async function openCluster(options: {
  serverDirectory: string
  binaries: PostgresBinaries
  user: ServerUser
  /** The superuser's password; undefined to generate one. */
  password: string | undefined
  log: (message: string) => void
}): Promise<Cluster> {
  const { serverDirectory } = options
  const dataDirectory = join(serverDirectory, 'data')
  const passwordFile = join(serverDirectory, 'password')
  const version = await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version === undefined) await createCluster(options, dataDirectory, passwordFile)
  else refuseOtherVersion(version.trim(), dataDirectory)
  const password = (await readFile(passwordFile, 'utf8')).trim()
  refuseOtherPassword(options.password, password, dataDirectory)
  return { dataDirectory, password }
}

async function createCluster(
  { serverDirectory, binaries, user, password, log }: Parameters<typeof openCluster>[0],
  dataDirectory: string,
  passwordFile: string,
): Promise<void> {
  log('creating the database (first start only)')
  for (const name of await readdir(serverDirectory)) {
    if (name.startsWith('data.')) await rm(join(serverDirectory, name), { recursive: true })
  }
  await writeFile(passwordFile, password ?? randomBytes(24).toString('hex'), { mode: 0o600 })
  if (user.uid !== undefined && user.gid !== undefined) {
    await chown(passwordFile, user.uid, user.gid)
  }
  const unfinished = `${dataDirectory}.${process.pid}`
  await runInitdb(binaries.initdb, user, [
    `--pgdata=${unfinished}`,
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    // Independent of the machine's locales.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ])
  await rename(unfinished, dataDirectory)
}

async function runInitdb(initdb: string, user: ServerUser, args: string[]): Promise<void> {
  const child = spawn(initdb, args, {
    ...user,
    cwd: parse(initdb).root,
    env: plainEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const outcome = await new Promise<number | string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? code))
  })
  if (outcome === 0) return
  throw new SessionDbError(
    'unavailable',
    `Creating the Postgres data directory failed (initdb: ${outcome}). ${errors.trim()}`,
  )
}

function refuseOtherVersion(found: string, dataDirectory: string): void {
  const [major] = EMBEDDED_POSTGRES_VERSION.split('.')
  if (found === major) return
  throw new SessionDbError(
    'unavailable',
    `${dataDirectory} was created by Postgres ${found}, but this is Postgres ${major}. ` +
      'Move it away to start empty, or dump it with its own Postgres version.',
  )
}

function refuseOtherPassword(
  asked: string | undefined,
  actual: string,
  dataDirectory: string,
): void {
  if (asked === undefined || asked === actual) return
  throw new SessionDbError(
    'invalid',
    `${dataDirectory} was created with another password. Omit the password to use that one, ` +
      'or choose another directory.',
  )
}
