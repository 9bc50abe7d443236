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
  /** Lets it finish what it serves, and returns its access log, where the file has one. */
  stop(): Promise<string>
}

/**
 * Runs nginx with one of the files of `deploy/nginx`, in a directory of its own, as an ordinary user
 * would. The file is tested first: what nginx does not take fails here, with its words.
 *
 * @param replace puts this machine's addresses in the place of those in the file.
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

/** Makes a certificate for `app.example`, and its key, under the names that the files look for. */
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
