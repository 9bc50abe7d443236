import type { PostgresSource, ShapeServerEvent } from './postgres-source.ts'
import { type ReplicationStream, startReplicationStream } from './replication-stream.ts'

const retryMs = 500
const reconcileMs = 10_000

/**
 * Keeps a replication stream running. When it breaks off, every shape expires, for its changes may be
 * lost, and requests get 503 until a new stream runs.
 *
 * @returns once the first stream runs.
 * @throws when the first stream cannot be started.
 */
export async function keepStreaming(options: {
  databaseUrl: string
  source: PostgresSource
  log: (event: ShapeServerEvent) => void
}): Promise<{ stop(): Promise<void> }> {
  const { source, log } = options
  let current: ReplicationStream | undefined
  let retry: NodeJS.Timeout | undefined
  let retrying: Promise<void> | undefined
  let ending: Promise<void> | undefined
  let stopped = false

  async function start(): Promise<void> {
    current = await startReplicationStream({
      databaseUrl: options.databaseUrl,
      name: source.publication.name,
      onTransaction: (transaction) =>
        source.onTransaction(transaction).catch((error: unknown) => {
          // What the transaction changed is unknown to the shapes now: none may live on.
          log({ level: 'error', message: 'a transaction could not be applied', error })
          restart()
        }),
      onEnd: (error) => {
        log({ level: 'warn', message: 'the replication stream broke off', error })
        restart()
      },
    })
    source.setStreaming(true)
  }

  function restart(): void {
    if (stopped) return
    source.setStreaming(false)
    // At once: a broken stream still has timers, and its connection may be open.
    ending = current?.stop() ?? ending
    current = undefined
    clearTimeout(retry)
    retry = setTimeout(() => {
      retrying = startAgain()
    }, retryMs)
  }

  async function startAgain(): Promise<void> {
    await ending
    if (stopped) return
    await start().catch((error: unknown) => {
      log({ level: 'warn', message: 'replication could not be started again', error })
      restart()
    })
  }

  await start()
  const reconciling = setInterval(() => {
    source.reconcile().catch((error: unknown) => {
      log({ level: 'warn', message: 'looking for dropped tables failed', error })
    })
  }, reconcileMs)
  reconciling.unref()

  return {
    async stop() {
      stopped = true
      clearInterval(reconciling)
      clearTimeout(retry)
      await retrying
      await ending
      await current?.stop()
    },
  }
}
