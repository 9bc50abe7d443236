import type { Client } from 'pg'
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication'
import type { RowText } from '../protocol/messages.ts'
import { connectionConfig } from './connection.ts'
import { MAX_ROW_BYTES, ROW_TOO_LARGE } from './copy-rows.ts'
import type { RowChange, StreamRelation, Transaction } from './transaction.ts'

const RESTART_DELAY_MS = 500
/** Acknowledging every commit would cost a socket write each; Postgres doesn't need it to continue. */
const ACKNOWLEDGE_INTERVAL_MS = 100

interface StreamOptions {
  readonly database: string
  /** Name of the slot and of the publication to read. */
  readonly name: string
  /** Called with committed transactions in commit order; the next one follows when it has resolved. */
  readonly onTransaction: (transaction: Transaction) => Promise<void>
}

/**
 * Keeps a replication stream running: starts a new one whenever it breaks off or a transaction cannot be
 * applied.
 *
 * @param options.onRunning called with true once a stream runs and with false when it breaks off
 * @param options.onTrouble called with each failure
 * @returns once the first stream runs
 * @throws when the first stream cannot be started
 */
export async function keepStreaming(
  options: StreamOptions & {
    readonly onRunning: (running: boolean) => void
    readonly onTrouble: (message: string, error: unknown) => void
  },
): Promise<{ stop(): Promise<void> }> {
  const { onRunning, onTrouble } = options
  let current: { stop(): Promise<void> } | undefined
  let timer: NodeJS.Timeout | undefined
  let starting: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  let stopped = false

  async function start(): Promise<void> {
    current = await startStream(
      {
        ...options,
        onTransaction: (transaction) =>
          options.onTransaction(transaction).catch((error: unknown) => {
            restart('a transaction could not be applied', error)
          }),
      },
      (error) => restart('the replication stream broke off', error),
    )
    onRunning(true)
  }

  function restart(message: string, error: unknown): void {
    onTrouble(message, error)
    if (stopped) return
    onRunning(false)
    // A broken stream still has timers, and its connection may be open.
    stopping = current?.stop() ?? stopping
    current = undefined
    clearTimeout(timer)
    timer = setTimeout(() => {
      starting = startAgain()
    }, RESTART_DELAY_MS)
  }

  async function startAgain(): Promise<void> {
    await stopping
    if (stopped) return
    await start().catch((error: unknown) => {
      restart('replication could not be started again', error)
    })
  }

  await start()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await starting
      await stopping
      await current?.stop()
    },
  }
}

/**
 * Starts a stream. Its slot is temporary and ends with the connection.
 *
 * @param onEnd called once when the stream breaks off, not after `stop()`
 * @returns once Postgres is streaming
 */
async function startStream(
  { database, name, onTransaction }: StreamOptions,
  onEnd: (error: Error) => void,
): Promise<{ stop(): Promise<void> }> {
  const service = new LogicalReplicationService(connectionConfig(database), {
    acknowledge: { auto: false, timeoutSeconds: 5 },
    flowControl: { enabled: true },
  })
  const assemble = transactionAssembler(onTransaction)
  let acknowledgedAt = Number.NEGATIVE_INFINITY
  service.on('data', async (lsn: string, message: StreamMessage) => {
    await assemble(message)
    // The service itself acknowledges every few seconds, which covers the last commits of a burst.
    if (message.tag !== 'commit') return
    if (performance.now() - acknowledgedAt < ACKNOWLEDGE_INTERVAL_MS) return
    acknowledgedAt = performance.now()
    await service.acknowledge(lsn)
  })
  service.on('heartbeat', async (lsn: string, _time: number, shouldRespond: boolean) => {
    if (shouldRespond) await service.acknowledge(lsn)
  })

  let ended = false
  const end = (error: Error) => {
    if (ended) return
    ended = true
    onEnd(error)
  }
  await new Promise<void>((resolve, reject) => {
    service.on('start', () => resolve())
    service.on('error', (error: Error) => {
      reject(error)
      end(error)
    })
    service.subscribe(new TemporarySlotPlugin(name), name).then(
      () => end(new Error('the replication stream ended')),
      (error: Error) => {
        reject(error)
        end(error)
      },
    )
  }).catch(async (error: unknown) => {
    await service.destroy().catch(() => undefined)
    throw error
  })
  return {
    async stop() {
      ended = true
      await service.destroy().catch(() => undefined)
    },
  }
}

/** A message of the stream. Changes that are too large to parse are `unreadable`. */
type StreamMessage =
  | Pgoutput.Message
  | { readonly tag: 'unreadable'; readonly relation: Pgoutput.MessageRelation }

const CHANGE_TAGS = ['I', 'U', 'D'].map((tag) => tag.charCodeAt(0))

/** Creates the slot on the streaming connection itself, so that a crash leaves nothing behind. */
class TemporarySlotPlugin extends PgoutputPlugin {
  readonly #relations = new Map<number, Pgoutput.MessageRelation>()

  constructor(publication: string) {
    super({ protoVersion: 1, publicationNames: [publication] })
  }

  override async start(client: Client, slotName: string, lastLsn: string): Promise<unknown> {
    await client.query(
      `CREATE_REPLICATION_SLOT "${slotName}" TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
    )
    return super.start(client, slotName, lastLsn)
  }

  override parse(buffer: Buffer): Pgoutput.Message {
    // An update carries two rows.
    if (buffer.length > 2 * MAX_ROW_BYTES && CHANGE_TAGS.includes(buffer[0] as number)) {
      const relation = this.#relations.get(buffer.readInt32BE(1))
      return { tag: 'unreadable', relation } as unknown as Pgoutput.Message
    }
    const message = super.parse(buffer)
    if (message.tag === 'relation') {
      this.#relations.set(message.relationOid, message)
      // The parser would turn texts into numbers and dates; clients get what Postgres prints.
      for (const column of message.columns) column.parser = (raw: unknown) => raw
    }
    return message
  }
}

/** Collects the messages of a transaction until its commit. */
function transactionAssembler(
  onTransaction: (transaction: Transaction) => Promise<void>,
): (message: StreamMessage) => Promise<void> {
  const relations = new WeakMap<Pgoutput.MessageRelation, StreamRelation>()
  let xid = 0
  let changes: RowChange[] = []
  let lost: Transaction['lost'][number][] = []

  const relationOf = (message: Pgoutput.MessageRelation): StreamRelation => {
    const known = relations.get(message)
    if (known) return known
    const relation = {
      oid: message.relationOid >>> 0,
      schema: message.schema,
      name: message.name,
      columns: message.columns.map(({ name, typeOid }) => ({ name, typeOid: typeOid >>> 0 })),
    }
    relations.set(message, relation)
    return relation
  }
  const add = (relation: Pgoutput.MessageRelation, old?: RowText | null, row?: RowText) => {
    changes.push({
      relation: relationOf(relation),
      old: old ?? undefined,
      row,
      position: changes.length * 2,
    })
  }

  return async (message) => {
    switch (message.tag) {
      case 'begin':
        xid = message.xid >>> 0
        changes = []
        lost = []
        return
      case 'insert':
        return add(message.relation, undefined, message.new)
      case 'update':
        return add(message.relation, message.old, message.new)
      case 'delete':
        return add(message.relation, message.old ?? message.key)
      case 'truncate':
        for (const relation of message.relations) {
          lost.push({ relation: relationOf(relation), reason: 'the table was truncated' })
        }
        return
      case 'unreadable':
        lost.push({ relation: relationOf(message.relation), reason: ROW_TOO_LARGE })
        return
      case 'commit':
        return onTransaction({ xid, lsn: parseLsn(message.commitLsn), changes, lost })
    }
  }
}

/**
 * Parses an LSN.
 *
 * @example
 * parseLsn('0/1A2B3C4') // 27440068n
 */
export function parseLsn(text: string | null): bigint {
  const [high = '0', low = '0'] = (text ?? '0/0').split('/')
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`)
}
