import type * as z from 'zod/mini'
import type { chatMessageInsertSchema, chatMessageUpdateSchema } from '../schema/chat-message.ts'
import type { chatThreadInsertSchema, chatThreadUpdateSchema } from '../schema/chat-thread.ts'
import type { Principal } from '../schema/principal.ts'
import type { sessionInsertSchema, sessionUpdateSchema } from '../schema/session.ts'
import type { sessionGrantInsertSchema, sessionGrantUpdateSchema } from '../schema/session-grant.ts'
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
  /** Returns the condition for a session whose grants the principal may list. */
  readonly seeGrants: (principal: P) => Condition
  readonly writes: WriteRules<P>
}

/** A condition in SQL: the `sql` of Kysely. Only the store can evaluate it. */
export interface SqlCondition {
  toOperationNode(): unknown
}

/**
 * Returns the condition for a write. Columns are those of the session; those of the written row and of its
 * thread have the prefix `share.` (a grant), `event.`, `thread.` or `message.`, except in inserts, whose values are in `row`.
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
  readonly sessionGrants: CollectionRules<
    P,
    z.output<typeof sessionGrantInsertSchema>,
    z.output<typeof sessionGrantUpdateSchema>
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
  readonly seeGrants?: SessionAccess<P>['seeGrants']
  readonly writes?: {
    readonly [Name in keyof WriteRules<P>]?: Partial<WriteRules<P>[Name]>
  }
}

const always = () => where.and()
const owns = ({ userId }: Principal) => where.eq('owner_id', userId)

/** Returns a principal's grantees, the widest first: the tenant, its groups, the user. */
function granteesOf({ userId, groups = [] }: Principal): readonly string[] {
  return ['tenant', ...groups, `user:${userId}`]
}

/**
 * Creates an access rule from the default one. By default a principal sees the sessions it owns and those
 * that are shared with it: with its tenant, one of its groups, or the user. The role of that grant decides
 * the rest. A viewer sees a session. A member also creates threads and messages in it, and changes its own.
 * An editor also changes the session, its timeline, and everyone's threads and messages. The owner also
 * shares and deletes the session.
 *
 * @example
 * const access = createAccess({
 *   writes: { chatMessages: { delete: () => where.or() } }, // messages are never deleted
 * })
 * createSessionStore({ database, access })
 * createShapeProxy({ electricUrl, authenticate, shapes: createSessionShapes(access) })
 */
export function createAccess<P extends Principal = Principal>(
  options: AccessOptions<P> = {},
): SessionAccess<P> {
  const { audiences = granteesOf, see = (_, audience) => where.contains('audiences', audience) } =
    options
  return {
    audiences,
    see,
    seeGrants: options.seeGrants ?? ((principal) => hasRole('editors', audiences(principal))),
    writes: createRules(audiences, options.writes ?? {}),
  }
}

function hasRole(column: 'members' | 'editors', grantees: readonly string[]): Condition {
  return where.or(...grantees.map((grantee) => where.contains(column, grantee)))
}

function createRules<P extends Principal>(
  audiences: SessionAccess<P>['audiences'],
  replaced: NonNullable<AccessOptions<P>['writes']>,
): WriteRules<P> {
  const isMember = (principal: P) => hasRole('members', audiences(principal))
  const isEditor = (principal: P) => hasRole('editors', audiences(principal))
  const ownRow = (column: string) => {
    const rule = (principal: P) =>
      where.or(
        isEditor(principal),
        where.and(where.eq(column, principal.userId), isMember(principal)),
      )
    return { insert: isMember, update: rule, delete: rule }
  }
  return {
    sessions: {
      insert: always,
      update: (principal, { ownerId, visibility }) =>
        ownerId === undefined && visibility === undefined ? isEditor(principal) : owns(principal),
      delete: owns,
      ...replaced.sessions,
    },
    sessionGrants: {
      insert: owns,
      update: owns,
      // A user may leave a session.
      delete: (principal) =>
        where.or(owns(principal), where.eq('share.grantee', `user:${principal.userId}`)),
      ...replaced.sessionGrants,
    },
    timelineEvents: {
      insert: isEditor,
      update: isEditor,
      delete: isEditor,
      ...replaced.timelineEvents,
    },
    chatThreads: { ...ownRow('thread.created_by'), ...replaced.chatThreads },
    chatMessages: { ...ownRow('message.author_id'), ...replaced.chatMessages },
  }
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
