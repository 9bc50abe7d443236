import { Readable } from 'node:stream'
import { Client } from 'pg'
import { deriveTimeline, persistTimeline } from '../../src/server/timeline/index.ts'
import { agentLog } from './agent-log.ts'
import type { IngestMemory, IngestMemoryArgument } from './ingest-memory.ts'

const { databaseUrl, lines, outputLength } = JSON.parse(
  process.argv[2] ?? '',
) as IngestMemoryArgument
const megabytes = (bytes: number) => Math.round(bytes / 1e6)

const client = new Client({ connectionString: databaseUrl })
await client.connect()
await ingest('warm-up', 2_000)
globalThis.gc?.()
const startMegabytes = megabytes(process.memoryUsage.rss())
const { events, bytes } = await ingest('long', lines)
const memory: IngestMemory = {
  startMegabytes,
  // The kernel's own mark, which no sampling can miss; in KiB.
  peakMegabytes: megabytes(process.resourceUsage().maxRSS * 1024),
  events,
  logMegabytes: megabytes(bytes),
}
await client.end()
process.send?.(memory)
process.disconnect()

async function ingest(
  sessionId: string,
  count: number,
): Promise<{ events: number; bytes: number }> {
  await client.query(
    "INSERT INTO sessions (tenant_id, id, owner_id, title) VALUES ('acme', $1, 'ada', 'Long')",
    [sessionId],
  )
  const log = Readable.from(agentLog({ lines: count, outputLength }))
  return persistTimeline(client, { tenantId: 'acme', sessionId }, deriveTimeline(log))
}
