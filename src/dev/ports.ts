import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { SessionDbError } from '../errors.ts'

const HOST = '127.0.0.1'

/**
 * Chooses a TCP port of 127.0.0.1: the fixed one, else the remembered one if it is free, else any.
 *
 * @param wanted.fixed the port that the user asked for
 * @param wanted.remembered the port of the last run
 * @throws SessionDbError `unavailable` when the fixed port is in use
 */
export async function choosePort(wanted: {
  fixed?: number | undefined
  remembered?: number | undefined
}): Promise<number> {
  const { fixed, remembered } = wanted
  if (fixed !== undefined) {
    if ((await bind(fixed)) !== undefined) return fixed
    throw new SessionDbError(
      'unavailable',
      `Port ${fixed} of ${HOST} is in use. Choose another port, or omit it to get a free one.`,
      { details: { port: fixed } },
    )
  }
  if (remembered !== undefined && (await bind(remembered)) !== undefined) {
    return remembered
  }
  return (await bind(0)) as number
}

/** Listens for a moment; returns the port, or undefined if it is taken or not permitted. */
function bind(port: number): Promise<number | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined))
    server.listen({ port, host: HOST, exclusive: true }, () => {
      const address = server.address()
      const bound = typeof address === 'object' ? address?.port : undefined
      server.close(() => resolve(bound))
    })
  })
}

/** The ports of the last run, kept so that URLs in an .env file stay valid. */
export type RememberedPorts = { postgres?: number; electric?: number }

/** Reads the ports of the last run from a data directory; empty on the first run. */
export async function readPorts(directory: string): Promise<RememberedPorts> {
  try {
    return JSON.parse(await readFile(join(directory, 'ports.json'), 'utf8')) as RememberedPorts
  } catch {
    return {} // the first run, or a damaged file: any port will do
  }
}

/** Saves one port for the next run. */
export async function rememberPort(
  directory: string,
  name: keyof RememberedPorts,
  port: number,
): Promise<void> {
  const ports = { ...(await readPorts(directory)), [name]: port }
  await writeFile(join(directory, 'ports.json'), `${JSON.stringify(ports)}\n`)
}
