import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { choosePort } from '../../src/dev/ports.ts'
import { chooseServerUser } from '../../src/dev/postgres/server-user.ts'
import { removal } from './directories.ts'
import { query } from './query.ts'

const PROGRAM = '/usr/sbin/pgbouncer'

/** True when Debian's PgBouncer is installed. */
export const hasPgBouncer = existsSync(PROGRAM)

export interface PgBouncer {
  /** The database's URL through the pooler. */
  readonly url: string
  stop(): Promise<void>
}

/**
 * Starts PgBouncer in transaction mode in front of a database, with few server connections, so that
 * each client connection soon gets another one.
 */
export async function startPgBouncer(database: string): Promise<PgBouncer> {
  const target = new URL(database)
  const user = chooseServerUser(undefined)
  const directory = await mkdtemp(join(tmpdir(), 'session-db-test-pgbouncer-'))
  const port = await choosePort({})
  const name = target.pathname.slice(1)
  await writeFile(
    join(directory, 'users.txt'),
    `"${target.username}" "${decodeURIComponent(target.password)}"\n`,
  )
  const config = join(directory, 'pgbouncer.ini')
  await writeFile(
    config,
    `[databases]
${name} = host=${target.hostname} port=${target.port} dbname=${name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${join(directory, 'users.txt')}
pool_mode = transaction
default_pool_size = 5
server_round_robin = 1
max_client_conn = 200
`,
  )
  if (user.uid !== undefined && user.gid !== undefined) {
    await chown(directory, user.uid, user.gid)
  }
  const child = spawn(PROGRAM, ['-q', config], { stdio: 'ignore', ...user })
  const ended = once(child, 'exit')
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  while (child.exitCode === null) {
    if (await query(url.href, 'SELECT 1').then(Boolean, () => false)) break
    await pause(20)
  }
  if (child.exitCode !== null) throw new Error(`pgbouncer ended with ${child.exitCode}`)
  return {
    url: url.href,
    async stop() {
      child.kill('SIGTERM')
      await ended
      await rm(directory, removal)
    },
  }
}
