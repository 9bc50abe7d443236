import { Readable } from 'node:stream'
import { createSessionStore } from '../../src/server/index.ts'
import { agentLog } from './agent-log.ts'
import type { IngestMemory, IngestMemoryArgument } from './ingest-memory.ts'

const { databaseUrl, lines, outputLength } = JSON.parse(
  process.argv[2] ?? '',
) as IngestMemoryArgument
const megabytes = (bytes: number) => Math.round(bytes / 1e6)
const ada = { tenantId: 'acme', userId: 'ada' }

const store = createSessionStore({
  database: databaseUrl,
  uploads: { maxBytes: 1e9 },
  requestLimits: false,
})
const worker = store.startWorker({ pollMs: 50 })
await ingest('warm-up', 2_000)
globalThis.gc?.()
const startMegabytes = megabytes(process.memoryUsage.rss())
const { events, bytes } = await ingest('long', lines)
const memory: IngestMemory = {
  startMegabytes,
  // The kernel's high-water mark in KiB, which misses no peak.
  peakMegabytes: megabytes(process.resourceUsage().maxRSS * 1024),
  events,
  logMegabytes: megabytes(bytes),
}
await worker.stop()
await store.close()
process.send?.(memory)
process.disconnect()

/** Uploads a log that is generated while it is read, and waits for its timeline. */
async function ingest(id: string, count: number): Promise<{ events: number; bytes: number }> {
  await store.createSession(ada, { id, title: 'Long', originalName: 'long.jsonl' })
  const log = Readable.from(agentLog({ lines: count, outputLength }))
  let state = await store.uploadContent(ada, id, log)
  while (state.status === 'pending') {
    await new Promise((resolve) => setTimeout(resolve, 100))
    state = await store.uploadState(ada, id)
  }
  if (state.status !== 'ready') throw new Error(`The session is ${state.status}.`)
  return { events: state.eventCount, bytes: state.receivedBytes }
}
