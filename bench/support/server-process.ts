import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Resources of a server process after a garbage collection. */
export interface ProcessUsage {
  /** Bytes. */
  readonly rss: number
  /** Heap memory that V8 has allocated. */
  readonly heapTotal: number
  readonly heapUsed: number
  readonly external: number
  /** Milliseconds of CPU time since the process began. */
  readonly cpuMs: number
}

/** A server in a separate process, so that its time and memory can be measured. */
export interface ServerProcess {
  readonly url: string
  usage(options?: { collectGarbage?: boolean }): Promise<ProcessUsage>
  stop(): Promise<void>
}

/** Messages to and from a server process. */
export type ServerRequest =
  | { readonly ask: 'usage'; readonly collectGarbage: boolean }
  | { readonly ask: 'stop' }
export type ServerReply = { readonly url: string } | { readonly usage: ProcessUsage }

/**
 * Starts one of the programs beside this file.
 *
 * @param options.argument passed to the program as JSON
 * @param options.nodeFlags additional flags of Node
 * @param options.cpuProfileDirectory folder for its CPU profile, written when it stops
 * @throws when it ends before it listens.
 * @example
 * const server = await startServerProcess({ program: 'shape-server', argument: { database } })
 */
export async function startServerProcess(options: {
  program: 'shape-server' | 'bare-poll-server' | 'shape-app' | 'shape-proxy' | 'bare-proxy'
  argument: unknown
  nodeFlags?: readonly string[]
  cpuProfileDirectory?: string | undefined
}): Promise<ServerProcess> {
  const file = fileURLToPath(new URL(`./${options.program}.program.ts`, import.meta.url))
  const profile = options.cpuProfileDirectory
  const flags = [
    '--expose-gc',
    ...(options.nodeFlags ?? []),
    ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []),
  ]
  const child = fork(file, [JSON.stringify(options.argument)], { execArgv: flags })
  const { url } = await reply<{ url: string }>(child, 'url')
  return {
    url,
    async usage({ collectGarbage = true } = {}) {
      send(child, { ask: 'usage', collectGarbage })
      return (await reply<{ usage: ProcessUsage }>(child, 'usage')).usage
    },
    async stop() {
      const gone = once(child, 'exit')
      send(child, { ask: 'stop' })
      await gone
    },
  }
}

function send(child: ChildProcess, request: ServerRequest): void {
  child.send(request)
}

function reply<Reply extends ServerReply>(child: ChildProcess, field: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: ServerReply) => {
      if (!(field in message)) return
      finish()
      resolve(message as Reply)
    }
    const onExit = (code: number | null) => {
      finish()
      reject(new Error(`the server process ended with ${code} before it answered`))
    }
    const finish = () => {
      child.off('message', onMessage)
      child.off('exit', onExit)
    }
    child.on('message', onMessage)
    child.on('exit', onExit)
  })
}
