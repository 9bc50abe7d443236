import { BasicIndex, createCollection } from '@tanstack/db'
import { createSessionCollections } from '../../src/index.ts'
import { cannedShapes, wireMessages } from './canned-shapes.ts'

const MESSAGES = 50_000

const wire = wireMessages(MESSAGES)
const fetchClient = cannedShapes({ 'thread-messages': wire })
const before = heapMegabytes()
const messages = process.argv[2] === 'ours' ? openOurs() : arrayInCollection()
await messages.preload()
let after = heapMegabytes()
// The last promises of the load end, and with them the answer that they hold.
for (let n = 0; n < 5; n++) {
  await new Promise((resolve) => setTimeout(resolve, 200))
  after = Math.min(after, heapMegabytes())
}
if (messages.size !== MESSAGES) throw new Error(`${messages.size} messages`)
process.send?.(after - before, () => process.exit())

function openOurs() {
  const db = createSessionCollections({
    electricUrl: 'http://app.test/api/shapes',
    fetchClient,
    shareLiveConnections: false,
    writeAdapter: () => new Promise(() => {}),
  })
  const { messages } = db.thread({ id: 't1', sessionId: 's1' })
  messages.subscribeChanges(() => {})
  return messages
}

/** Returns a plain collection of an array of the same rows. */
function arrayInCollection() {
  const rows = createCollection<Record<string, unknown>, string>({
    getKey: (row) => String(row.id),
    autoIndex: 'eager',
    defaultIndexType: BasicIndex,
    sync: {
      sync({ begin, write, commit, markReady }) {
        begin()
        for (const value of wire.map(toRow)) write({ type: 'insert', value })
        commit()
        markReady()
      },
    },
  })
  rows.subscribeChanges(() => {})
  return rows
}

function toRow(wireRow: Record<string, string | null>): Record<string, unknown> {
  return {
    tenantId: wireRow.tenant_id,
    // Copies, as parsing an answer makes them.
    id: copyOf(wireRow.id),
    threadId: wireRow.thread_id,
    sessionId: wireRow.session_id,
    authorId: wireRow.author_id,
    role: wireRow.role,
    content: copyOf(wireRow.content),
    parts: [],
    parentId: null,
    clientMessageId: null,
    status: wireRow.status,
    position: Number(wireRow.position),
    metadata: {},
    version: 1,
    createdAt: new Date(0),
    updatedAt: new Date(0),
  }
}

function copyOf(text: string | null | undefined): string {
  return Buffer.from(text ?? '').toString()
}

function heapMegabytes(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1e6
}
