import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Ports of the last run, so that urls in an .env file stay right across restarts. */
export type RememberedPorts = { postgres?: number; electric?: number }

/** Reads the ports of the last run from a data directory; empty when there was none. */
export async function readPorts(directory: string): Promise<RememberedPorts> {
  try {
    return JSON.parse(await readFile(join(directory, 'ports.json'), 'utf8')) as RememberedPorts
  } catch {
    return {} // the first run, or a damaged file: any port will do
  }
}

/** Writes one port down for the next run. */
export async function rememberPort(
  directory: string,
  name: keyof RememberedPorts,
  port: number,
): Promise<void> {
  const ports = { ...(await readPorts(directory)), [name]: port }
  await writeFile(join(directory, 'ports.json'), `${JSON.stringify(ports)}\n`)
}
