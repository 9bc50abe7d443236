import type { ProcessUsage, ServerReply, ServerRequest } from './server-process.ts'

/**
 * Sends the benchmark the server's URL and answers its requests until it sends stop.
 *
 * @example
 * serveParent(url, () => server.close())
 */
export function serveParent(url: string, close: () => Promise<void>): void {
  const tell = (reply: ServerReply) => process.send?.(reply)
  const stop = async () => {
    await close()
    // Not `exit`: a CPU profile is written only when the process ends by itself.
    process.disconnect?.()
  }
  process.on('message', (request: ServerRequest) => {
    if (request.ask === 'stop') void stop()
    else tell({ usage: currentUsage(request.collectGarbage) })
  })
  // The benchmark may have been killed; a server must not outlive it.
  process.on('disconnect', () => setTimeout(() => process.exit(), 2000).unref())
  tell({ url })
}

function currentUsage(collectGarbage: boolean): ProcessUsage {
  if (collectGarbage) globalThis.gc?.()
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return { rss, heapTotal, heapUsed, external, cpuMs: (user + system) / 1000 }
}
