import type * as z from 'zod/mini'
import type { chatMessageInsertSchema, chatMessageUpdateSchema } from '../schema/chat-message.ts'
import type { chatThreadInsertSchema, chatThreadUpdateSchema } from '../schema/chat-thread.ts'
import type { Principal } from '../schema/principal.ts'
import type { sessionInsertSchema, sessionUpdateSchema } from '../schema/session.ts'
import type {
  timelineEventInsertSchema,
  timelineEventUpdateSchema,
} from '../schema/timeline-event.ts'
import type { Condition } from './condition.ts'
import * as where from './where.ts'

/**
 * Who may see and change what: one value for shapes, store, search, uploads and the mock.
 *
 * An audience is a name through which a principal looks at sessions, such as `tenant` or `user:ann`.
 * Conditions are on a row of `sessions`; they are always confined to the principal's tenant. Everything
 * below a session is visible if the session is.
 */
export interface SessionAccess<P extends Principal = Principal> {
  /** Returns the audiences of a principal, the widest first. It sees what any of them sees. */
  readonly audiences: (principal: P) => readonly string[]
  /** Returns the condition for a session to be visible through one of the principal's audiences. */
  readonly see: (principal: P, audience: string) => Condition
  readonly writes: WriteRules<P>
}

/** A condition in SQL: the `sql` of Kysely. Only the store can evaluate it. */
export interface SqlCondition {
  toOperationNode(): unknown
}

/**
 * Returns the condition for a write. Columns are those of the session; those of the written row and of its
 * thread have the prefix `event.`, `thread.` or `message.`, except in inserts, whose values are in `row`.
 *
 * @param row the values of an insert, the changes of an update, nothing for a delete
 */
export type WriteRule<P extends Principal, Row> = (
  principal: P,
  row: Row,
) => Condition | SqlCondition

/** The rules of one collection. Appending to a streaming message counts as an update of it. */
export interface CollectionRules<P extends Principal, Insert, Update> {
  readonly insert: WriteRule<P, Insert>
  readonly update: WriteRule<P, Update>
  readonly delete: WriteRule<P, Record<never, never>>
}

/** The rules of all writes. A row in a session that the principal can't see is `not_found`, whatever they return. */
export interface WriteRules<P extends Principal = Principal> {
  readonly sessions: CollectionRules<
    P,
    z.output<typeof sessionInsertSchema>,
    z.output<typeof sessionUpdateSchema>
  >
  readonly timelineEvents: CollectionRules<
    P,
    z.output<typeof timelineEventInsertSchema>,
    z.output<typeof timelineEventUpdateSchema>
  >
  readonly chatThreads: CollectionRules<
    P,
    z.output<typeof chatThreadInsertSchema>,
    z.output<typeof chatThreadUpdateSchema>
  >
  readonly chatMessages: CollectionRules<
    P,
    z.output<typeof chatMessageInsertSchema>,
    z.output<typeof chatMessageUpdateSchema>
  >
}

/** The parts of the default rule that an app replaces. */
export interface AccessOptions<P extends Principal = Principal> {
  readonly audiences?: SessionAccess<P>['audiences']
  readonly see?: SessionAccess<P>['see']
  readonly writes?: {
    readonly [Name in keyof WriteRules<P>]?: Partial<WriteRules<P>[Name]>
  }
}

const always = () => where.and()
const owns = ({ userId }: Principal) => where.eq('owner_id', userId)

/**
 * Creates an access rule from the default one. By default users see the sessions they own and those
 * shared with their tenant, and chat in both. A session and its timeline are changed by the owner, a
 * thread by its creator or the session's owner, a message by its author or the session's owner.
 *
 * @example
 * const access = createAccess({
 *   writes: { chatMessages: { delete: () => where.or() } }, // nobody deletes messages
 * })
 * createSessionStore({ database, access })
 * createShapeProxy({ electricUrl, authenticate, shapes: createSessionShapes(access) })
 */
export function createAccess<P extends Principal = Principal>(
  options: AccessOptions<P> = {},
): SessionAccess<P> {
  const { writes = {} } = options
  const ownerOnly = { insert: owns, update: owns, delete: owns }
  return {
    audiences: options.audiences ?? (({ userId }) => ['tenant', `user:${userId}`]),
    see:
      options.see ??
      ((principal, audience) =>
        audience === 'tenant' ? where.eq('visibility', 'tenant') : owns(principal)),
    writes: {
      sessions: { ...ownerOnly, insert: always, ...writes.sessions },
      timelineEvents: { ...ownerOnly, ...writes.timelineEvents },
      chatThreads: { ...ownerOr('thread.created_by'), ...writes.chatThreads },
      chatMessages: { ...ownerOr('message.author_id'), ...writes.chatMessages },
    },
  }
}

/** Inserts by everyone who sees the session, changes by its owner and the user in `column`. */
function ownerOr(column: string) {
  const rule = (principal: Principal) =>
    where.or(owns(principal), where.eq(column, principal.userId))
  return { insert: always, update: rule, delete: rule }
}

/** The default access rule. */
export const defaultAccess: SessionAccess = /* @__PURE__ */ createAccess()

/** Returns the condition for a session to be visible through any of the principal's audiences. */
export function seesSession<P extends Principal>(
  access: SessionAccess<P>,
  principal: P,
): Condition {
  return where.or(...access.audiences(principal).map((audience) => access.see(principal, audience)))
}

/** A write as a rule is applied to it. `writes/batch.ts` has the full type. */
interface Write {
  readonly collection: keyof WriteRules
  readonly type: 'insert' | 'update' | 'delete' | 'append'
  readonly value?: object
  readonly changes?: object
}

type AnyRules<P extends Principal> = Record<'insert' | 'update' | 'delete', WriteRule<P, object>>

/** Returns the rule's condition for one mutation. Appending counts as updating. */
export function writeRule<P extends Principal>(
  access: SessionAccess<P>,
  principal: P,
  { collection, type, value, changes }: Write,
): Condition | SqlCondition {
  // TypeScript can't relate the rule's collection and type to those of the mutation.
  const rules = access.writes[collection] as unknown as AnyRules<P>
  return rules[type === 'append' ? 'update' : type](principal, value ?? changes ?? {})
}

/** Distinguishes the two forms of a rule's result. */
export function isSqlCondition(rule: Condition | SqlCondition): rule is SqlCondition {
  return 'toOperationNode' in rule
}
