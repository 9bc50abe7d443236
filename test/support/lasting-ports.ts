import { randomInt } from 'node:crypto'
import { choosePort, rememberPort } from '../../src/dev/ports.ts'

/**
 * Makes the first start in a data directory use ports outside the system's ephemeral range, which
 * another test could be given between a stop and the next start.
 */
export async function rememberLastingPorts(dataDir: string): Promise<void> {
  for (const name of ['postgres', 'electric'] as const) {
    await rememberPort(dataDir, name, await lastingPort())
  }
}

/** Returns a free port below the ephemeral range. */
async function lastingPort(): Promise<number> {
  for (;;) {
    const remembered = randomInt(15_000, 32_000)
    if ((await choosePort({ remembered })) === remembered) return remembered
  }
}
