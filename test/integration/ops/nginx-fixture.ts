import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const nginx = '/usr/sbin/nginx'
const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

export const hasNginx = existsSync(nginx)

/** A running nginx. */
export interface Nginx {
  /** Stops it gracefully and returns its access log, if there is one. */
  stop(): Promise<string>
}

/**
 * Runs nginx in its own directory with one of the files of `deploy/nginx`. The file is validated
 * first, so that mistakes fail with nginx's own message.
 *
 * @param replace Replaces the addresses in the file with those of this test.
 */
export async function startNginx(
  directory: string,
  file: string,
  replace: (text: string) => string,
): Promise<Nginx> {
  await mkdir(join(directory, 'cache'))
  const text = readFileSync(resolve(import.meta.dirname, '../../../deploy/nginx', file), 'utf8')
  const own = replace(text)
    .replaceAll('/var/cache/nginx/electric', join(directory, 'cache'))
    .replaceAll('/etc/nginx/tls', directory)
    .replaceAll('/dev/stdout', join(directory, 'access.log'))
  const config = join(directory, 'nginx.conf')
  const paths = temporary.map((name) => `${name}_temp_path ${directory}/${name};`).join(' ')
  await writeFile(
    config,
    `daemon off; pid ${directory}/pid; error_log ${directory}/error.log;
     ${process.getuid?.() === 0 ? 'user root;' : ''} events {} http { ${paths} ${own} }`,
  )
  await run(nginx, ['-t', '-c', config])
  const child = spawn(nginx, ['-c', config], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  return {
    async stop() {
      child.kill('SIGQUIT')
      await ended
      const log = join(directory, 'access.log')
      return existsSync(log) ? readFileSync(log, 'utf8') : ''
    },
  }
}

/** Creates a certificate and key for `app.example` under the names used in the files. */
export async function makeCertificate(directory: string): Promise<void> {
  const files = [
    '-keyout',
    join(directory, 'privkey.pem'),
    '-out',
    join(directory, 'fullchain.pem'),
  ]
  const subject = ['-subj', '/CN=app.example', '-days', '1', '-nodes']
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', ...files, ...subject])
}
