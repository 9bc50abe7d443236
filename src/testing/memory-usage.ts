import { matches } from '../access/condition.ts'
import { withinTenant } from '../access/within-tenant.ts'
import { tables as schemaTables } from '../schema/index.ts'
import { missingRow } from '../server/store/errors.ts'
import type { MessageUsage, UsageKey, UsageRequest, UsageSum } from '../server/store/usage.ts'
import { type MemoryContext, seesInMemory } from './memory-writes.ts'
import { keyOf } from './tables.ts'
import { rowText } from './wire-text.ts'

interface StoredUsage extends MessageUsage {
  readonly tenantId: string
  readonly threadId: string
  readonly sessionId: string
  readonly userId: string
  readonly createdAt: Date
}

/** The usage of model calls, by tenant, message and call. */
export type MemoryUsage = Map<string, StoredUsage>

/** Stores what a call used, as the store's `recordUsage` does. */
export function recordUsageInMemory(
  stored: MemoryUsage,
  context: MemoryContext,
  usage: MessageUsage,
): boolean {
  const { tenantId, userId } = context.principal
  const { tables } = context.database
  const message = tables.chatMessages.get(keyOf({ tenantId, id: usage.messageId }))
  const session = message && tables.sessions.get(keyOf({ tenantId, id: message.sessionId }))
  if (message === undefined || session === undefined || !seesInMemory(context, session)) {
    throw missingRow('message')
  }
  const key = JSON.stringify([tenantId, usage.messageId, usage.callId])
  if (stored.has(key)) return false
  const { threadId, sessionId } = message
  stored.set(key, { ...usage, tenantId, userId, threadId, sessionId, createdAt: new Date() })
  return true
}

const KEYS: Readonly<Record<UsageKey, (usage: StoredUsage) => string>> = {
  message: ({ messageId }) => messageId,
  thread: ({ threadId }) => threadId,
  session: ({ sessionId }) => sessionId,
  user: ({ userId }) => userId,
  model: ({ model }) => model ?? '',
  month: ({ createdAt }) => createdAt.toISOString().slice(0, 7),
}

/** Sums what calls used, as the store's `readUsage` does. */
export function readUsageInMemory(
  stored: MemoryUsage,
  context: MemoryContext,
  { by, from, to, ...ids }: UsageRequest,
): UsageSum[] {
  const sums = new Map<string, UsageSum>()
  for (const usage of stored.values()) {
    const isAsked =
      (from === undefined || usage.createdAt >= from) &&
      (to === undefined || usage.createdAt < to) &&
      Object.entries(ids).every(([name, id]) => id === undefined || Reflect.get(usage, name) === id)
    if (!isAsked || !mayRead(context, usage)) continue
    const key = KEYS[by](usage)
    const before = sums.get(key)
    const add = (name: Exclude<keyof UsageSum, 'key' | 'calls'>) =>
      (before?.[name] ?? 0) + (usage[name] ?? 0)
    sums.set(key, {
      key,
      calls: (before?.calls ?? 0) + 1,
      inputTokens: add('inputTokens'),
      outputTokens: add('outputTokens'),
      cachedTokens: add('cachedTokens'),
      reasoningTokens: add('reasoningTokens'),
      durationMs: add('durationMs'),
      cost: add('cost'),
    })
  }
  return [...sums.values()].sort((one, other) => (one.key < other.key ? -1 : 1))
}

/** Everyone reads their own usage, and those who may edit a session read all of it. */
function mayRead(context: MemoryContext, { tenantId, userId, sessionId }: StoredUsage): boolean {
  const { access, database, principal } = context
  if (tenantId !== principal.tenantId) return false
  if (userId === principal.userId) return true
  const session = database.tables.sessions.get(keyOf({ tenantId, id: sessionId }))
  if (session === undefined || !seesInMemory(context, session)) return false
  const condition = withinTenant(access.seeGrants(principal), tenantId, null)
  return matches(condition, rowText(schemaTables.sessions.columns, session), database.rowsOf)
}
