import type { ChatMessage } from '../../schema/chat-message.ts'
import type { ChatThread } from '../../schema/chat-thread.ts'
import type { Session } from '../../schema/session.ts'
import type { SessionGrant } from '../../schema/session-grant.ts'
import type { TimelineEvent } from '../../schema/timeline-event.ts'
import type { MutationInput } from '../../writes/batch.ts'

/** The signed-in user as the browser knows it: fills optimistic rows until the server's arrive. */
export interface WriterIdentity {
  readonly tenantId: string
  readonly userId: string
}

/** Placeholder for values that only the server has, until its row arrives. */
export const UNKNOWN = 'pending'

type Inserted<Name extends MutationInput['collection']> = Extract<
  MutationInput,
  { collection: Name; type: 'insert' }
>['value']

/** Returns the session that the database will make of this insert. */
export function newSession(
  value: Inserted<'sessions'>,
  identity: WriterIdentity,
  now: Date,
): Session {
  return {
    tenantId: identity.tenantId,
    ownerId: identity.userId,
    visibility: 'private',
    status: 'pending',
    statusReason: null,
    progress: null,
    source: 'upload',
    format: 'other',
    originalName: null,
    sourcePath: null,
    repoLabel: null,
    repo: null,
    workspaceRoot: null,
    model: null,
    agentVersion: null,
    agentSessionId: null,
    totals: null,
    redactions: null,
    contentBytes: null,
    eventCount: 0,
    startedAt: null,
    endedAt: null,
    archivedAt: null,
    metadata: {},
    version: 1,
    createdAt: now,
    updatedAt: now,
    ...given(value),
  }
}

/** Returns the grant that the database will make of this insert. */
export function newGrant(
  value: Inserted<'sessionGrants'>,
  { tenantId, userId }: WriterIdentity,
  now: Date,
): SessionGrant {
  return { tenantId, createdBy: userId, version: 1, createdAt: now, updatedAt: now, ...value }
}

/** Returns the timeline event that the database will make of this insert. */
export function newTimelineEvent(
  value: Inserted<'timelineEvents'>,
  identity: WriterIdentity,
  now: Date,
): TimelineEvent {
  return {
    tenantId: identity.tenantId,
    role: null,
    occurredAt: null,
    title: null,
    text: null,
    toolName: null,
    callId: null,
    parentId: null,
    fold: null,
    data: {},
    createdAt: now,
    ...given(value),
  }
}

/** Returns the thread that the database will make of this insert. */
export function newThread(
  value: Inserted<'chatThreads'>,
  identity: WriterIdentity,
  now: Date,
): ChatThread {
  return {
    tenantId: identity.tenantId,
    createdBy: identity.userId,
    status: 'active',
    messageCount: 0,
    lastPosition: 0,
    lastMessageAt: null,
    lastMessagePreview: null,
    headId: null,
    metadata: {},
    version: 1,
    createdAt: now,
    updatedAt: now,
    ...given(value),
  }
}

/** Returns the message that the database will make of this insert, at a guessed position. */
export function newMessage(
  value: Inserted<'chatMessages'>,
  place: {
    readonly sessionId: string | undefined
    readonly position: number
    readonly parentId: string | null
  },
  identity: WriterIdentity,
  now: Date,
): ChatMessage {
  return {
    tenantId: identity.tenantId,
    sessionId: place.sessionId ?? UNKNOWN,
    authorId: identity.userId,
    parts: [],
    parentId: place.parentId,
    clientMessageId: null,
    status: 'complete',
    position: place.position,
    metadata: {},
    version: 1,
    createdAt: now,
    updatedAt: now,
    ...given(value),
  }
}

type Given<Value> = {
  [Key in keyof Value]: Exclude<
    Value[Key],
    undefined | (Key extends `${string}At` ? string : never)
  >
}

/** Converts input to row values: drops undefined properties and parses times given as text. */
export function given<Value extends object>(value: Value): Given<Value> {
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined)
  return Object.fromEntries(
    entries.map(([key, entry]) => [key, isTimeAsText(key, entry) ? new Date(entry) : entry]),
  ) as Given<Value>
}

function isTimeAsText(property: string, value: unknown): value is string {
  return property.endsWith('At') && typeof value === 'string'
}
