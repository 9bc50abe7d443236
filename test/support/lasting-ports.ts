import { randomInt } from 'node:crypto'
import { choosePort } from '../../src/dev/free-port.ts'
import { rememberPort } from '../../src/dev/remembered-ports.ts'

/**
 * Lets the first start in a data directory take ports that nobody is given who asks the system for
 * any: between a stop and the next start another test may be given any of those.
 */
export async function rememberLastingPorts(dataDir: string): Promise<void> {
  for (const name of ['postgres', 'electric'] as const) {
    await rememberPort(dataDir, name, await lastingPort())
  }
}

/** A free port below those that Linux, and others, give away. */
async function lastingPort(): Promise<number> {
  for (;;) {
    const remembered = randomInt(15_000, 32_000)
    if ((await choosePort({ remembered })) === remembered) return remembered
  }
}
