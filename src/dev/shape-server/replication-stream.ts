import type { Client } from 'pg'
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication'
import type { RowText } from '../protocol/row-key.ts'
import { connectionConfig } from './connection.ts'
import type { RowChange, StreamRelation, Transaction } from './transaction.ts'

/** Each acknowledgement is a write to the socket, and Postgres needs none to send on. */
const acknowledgeEveryMs = 100

/** A running replication stream. */
export interface ReplicationStream {
  stop(): Promise<void>
}

/**
 * Streams committed transactions, in commit order, one at a time: the next one is handed over when
 * `onTransaction` has resolved. The slot is temporary: it ends with the connection.
 *
 * @param options.name - of the slot, and of the publication to read.
 * @param options.onEnd - called once when the stream breaks off; not after `stop()`.
 * @returns once Postgres is streaming.
 * @throws when the stream cannot be started.
 */
export async function startReplicationStream(options: {
  databaseUrl: string
  name: string
  onTransaction: (transaction: Transaction) => Promise<void>
  onEnd: (error: Error) => void
}): Promise<ReplicationStream> {
  const { name } = options
  const service = new LogicalReplicationService(connectionConfig(options.databaseUrl), {
    acknowledge: { auto: false, timeoutSeconds: 5 },
    flowControl: { enabled: true },
  })
  const assemble = transactionAssembler(options.onTransaction)
  let acknowledgedAt = Number.NEGATIVE_INFINITY
  service.on('data', async (lsn: string, message: Pgoutput.Message) => {
    await assemble(message)
    // The last commits of a burst are left to the service, which acknowledges every few seconds.
    if (message.tag !== 'commit' || performance.now() - acknowledgedAt < acknowledgeEveryMs) return
    acknowledgedAt = performance.now()
    await service.acknowledge(lsn)
  })
  service.on('heartbeat', async (lsn: string, _time: number, shouldRespond: boolean) => {
    if (shouldRespond) await service.acknowledge(lsn)
  })

  let stopped = false
  let ended = false
  const end = (error: Error) => {
    if (ended || stopped) return
    ended = true
    options.onEnd(error)
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
      stopped = true
      await service.destroy().catch(() => undefined)
    },
  }
}

/** Creates the slot on the streaming connection itself, so that nothing is left behind by a crash. */
class TemporarySlotPlugin extends PgoutputPlugin {
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
    const message = super.parse(buffer)
    if (message.tag === 'relation') {
      // The parser would turn texts into numbers and dates; clients get what Postgres prints.
      for (const column of message.columns) column.parser = (raw: unknown) => raw
    }
    return message
  }
}

function transactionAssembler(
  onTransaction: (transaction: Transaction) => Promise<void>,
): (message: Pgoutput.Message) => Promise<void> {
  const relations = new WeakMap<Pgoutput.MessageRelation, StreamRelation>()
  let xid = 0
  let changes: RowChange[] = []
  let truncated: StreamRelation[] = []

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
        truncated = []
        return
      case 'insert':
        return add(message.relation, undefined, message.new)
      case 'update':
        return add(message.relation, message.old, message.new)
      case 'delete':
        return add(message.relation, message.old ?? message.key)
      case 'truncate':
        truncated.push(...message.relations.map(relationOf))
        return
      case 'commit':
        return onTransaction({ xid, lsn: parseLsn(message.commitLsn), changes, truncated })
    }
  }
}

/**
 * Reads an LSN as Postgres prints it.
 *
 * @example
 * parseLsn('0/1A2B3C4') // 27440068n
 */
export function parseLsn(text: string | null): bigint {
  const [high = '0', low = '0'] = (text ?? '0/0').split('/')
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`)
}
