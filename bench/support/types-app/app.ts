import {
  type ChatMessage,
  column,
  createHttpWriteAdapter,
  createOutbox,
  createSessionCollections,
  defineShape,
  SessionDbError,
  sessionShapes,
  timelineQuery,
  toUIMessage,
  toWriteFailure,
  type WriteBatchInput,
  where,
  withRetries,
} from '@org/session-db'
import { startDevStack } from '@org/session-db/dev'
import { createMetrics } from '@org/session-db/metrics'
import { createS3ContentStore } from '@org/session-db/s3'
import {
  createHealthHandler,
  createSessionStore,
  createShapeProxy,
  createUploadHandler,
  createWriteHandler,
  deriveTimeline,
  importLegacySnapshots,
  migrate,
  type Principal,
  runDoctor,
  runRetention,
  runWrite,
  streamMessage,
} from '@org/session-db/server'
import { createMemoryWriteAdapter, createShapeMock } from '@org/session-db/testing'
import { legacySnapshotGuard } from '@org/session-db/vite'
import { createLiveQueryCollection, eq } from '@tanstack/db'
import { z } from 'zod'
import { type Request as Asked, client, pool } from './peers.ts'

/** An app that uses each entry. It is type-checked and never run. */
const shapes = {
  ...sessionShapes,
  projects: defineShape({
    table: 'projects',
    columns: {
      tenantId: column('tenant_id', 'text'),
      id: column('id', 'text'),
      dueAt: column('due_at', 'timestamp with time zone', { nullable: true }),
    },
    params: { folderId: z.string() },
    rows: (_principal, { folderId }) => where.eq('folder_id', folderId),
  }),
}
const identity: Principal = { tenantId: 'acme', userId: 'ann' }
const authenticate = () => identity

export async function startServer(): Promise<((request: Asked) => Promise<Response>)[]> {
  const { databaseUrl, electricUrl } = await startDevStack()
  await migrate({ database: databaseUrl })
  await importLegacySnapshots({ database: pool, directory: '.data', ...identity })
  const contents = createS3ContentStore({ client, bucket: 'logs' })
  const metrics = createMetrics()
  const store = metrics.watchStore(createSessionStore({ database: pool, contents }))
  const answer = await streamMessage(store, identity, { threadId: 't1', role: 'assistant' })
  answer.append('Hello')
  await answer.finish()
  for await (const { events } of deriveTimeline(new Blob().stream())) {
    console.log(events[0]?.occurredAt?.toISOString())
  }
  await runRetention({ database: pool, policy: { default: '90d' } })
  for (const { level, message } of await runDoctor({ database: databaseUrl }))
    console.log(level, message)
  return [
    createShapeProxy({ electricUrl, shapes, authenticate }),
    createWriteHandler({ store, authenticate }),
    createUploadHandler({ store, authenticate }),
    createHealthHandler({ database: pool }),
    metrics.handler,
  ]
}

export async function write(batch: WriteBatchInput) {
  const store = createSessionStore({ database: pool })
  return await runWrite(store, identity, batch).catch(toWriteFailure)
}

export async function openPage(): Promise<string[]> {
  const db = createSessionCollections({
    electricUrl: '/api/shapes',
    shapes,
    identity,
    outbox: createOutbox({ identity }),
    writeAdapter: withRetries(createHttpWriteAdapter({ url: '/api/write' })),
  })
  const { id: sessionId } = db.actions.createSession({ title: 'Review' })
  const thread = db.actions.createThread({ sessionId, mode: 'session', title: 'Chat' })
  try {
    await db.actions.appendMessage({ threadId: thread.id, role: 'user', content: 'Hi' }).committed
  } catch (error) {
    if (error instanceof SessionDbError && error.code === 'conflict') db.restart()
  }
  const { messages, timeline } = db.session(sessionId)
  const mine = createLiveQueryCollection((q) =>
    q
      .from({ message: messages })
      .where(({ message }) => eq(message.authorId, identity.userId))
      .orderBy(({ message }) => message.position),
  )
  const events = createLiveQueryCollection(timelineQuery(timeline, { kinds: ['tool_call'] }))
  const due = db.shape('projects', { folderId: 'f1' }).toArray.map(({ dueAt }) => String(dueAt))
  const texts = mine.toArray.map((message: ChatMessage) => toUIMessage(message).id)
  return [...due, ...texts, ...events.toArray.map(({ kind }) => kind)]
}

const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes', principal: identity })
export const testWrites = createMemoryWriteAdapter(mock, { principal: identity })
export const plugins = [legacySnapshotGuard()]
