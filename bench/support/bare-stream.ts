import { Client } from 'pg'
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication'

/** The bare replication stream, a lower bound for any shape server. */
export interface BareStream {
  stop(): Promise<void>
}

/**
 * Follows tables through pgoutput.
 *
 * @param options.name name of the slot and publication it creates; they are dropped with the database
 * @param options.onInsert called for each inserted row
 * @param options.onCommit called for each commit
 * @example
 * const stream = await startBareStream({ databaseUrl, name: 'bare', tables: ['items'], onCommit })
 */
export async function startBareStream(options: {
  databaseUrl: string
  name: string
  tables: readonly string[]
  onInsert?: (row: Record<string, unknown>) => void
  onCommit: () => void
}): Promise<BareStream> {
  const { databaseUrl, name } = options
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`CREATE PUBLICATION ${name} FOR TABLE ${options.tables.join(', ')}`)
  await client.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [name])
  await client.end()
  const service = new LogicalReplicationService({ connectionString: databaseUrl })
  service.on('data', (_lsn: string, message: Pgoutput.Message) => {
    if (message.tag === 'insert') options.onInsert?.(message.new)
    else if (message.tag === 'commit') options.onCommit()
  })
  await new Promise<void>((resolve, reject) => {
    service.on('start', resolve)
    service.on('error', reject)
    const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [name] })
    service.subscribe(plugin, name).catch(reject)
  })
  return {
    async stop() {
      await service.destroy()
    },
  }
}
