import { createServer } from 'node:net'
import { SessionDbError } from '../errors.ts'

const host = '127.0.0.1'

/**
 * Chooses a TCP port of 127.0.0.1: the one asked for, else the remembered one if it is free, else any.
 *
 * @param wanted.fixed - A port the user insists on.
 * @param wanted.remembered - The port of an earlier run.
 * @throws SessionDbError `unavailable` when the fixed port is in use.
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
      `Port ${fixed} of ${host} is in use. Choose another one, or none to get a free one.`,
      { details: { port: fixed } },
    )
  }
  if (remembered !== undefined && (await bind(remembered)) !== undefined) {
    return remembered
  }
  return (await bind(0)) as number
}

/** Listens for a moment; returns the port, or `undefined` when it is taken or not ours to take. */
function bind(port: number): Promise<number | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined))
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address()
      const bound = typeof address === 'object' ? address?.port : undefined
      server.close(() => resolve(bound))
    })
  })
}
