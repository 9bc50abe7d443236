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
 * The rule for seeing and changing sessions: one value for shapes, store, search, uploads and the mock.
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

/** The parts of the default rule that an app replaces. Conditions are on a row of `sessions`. */
export interface AccessOptions<P extends Principal = Principal> {
  /** Default: the tenant, the principal's groups and the user. */
  readonly audiences?: SessionAccess<P>['audiences']
  /** Sessions that the principal sees through an audience. Default: those shared with it. */
  readonly see?: SessionAccess<P>['see']
  /**
   * Sessions in which the principal creates threads and messages, and changes its own, beside those that
   * it may edit. Default: those in which it has the role `member`.
   */
  readonly chat?: (principal: P) => Condition
  /**
   * Sessions that the principal may change, with their timeline and everyone's messages, beside those that it
   * may manage. Default: those in which it has the role `editor`.
   */
  readonly edit?: (principal: P) => Condition
  /** Sessions that the principal may share, transfer and delete. Default: those that it owns. */
  readonly manage?: (principal: P) => Condition
  /** Default: those that the principal may edit. */
  readonly seeGrants?: SessionAccess<P>['seeGrants']
  /** Rules for single writes, instead of those that follow from `chat`, `edit` and `manage`. */
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
 * @param options the parts that an app replaces; `docs/recipes/own-access-tables.md` replaces all of them
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
  const { manage = owns } = options
  const role = (column: 'members' | 'editors') => (principal: P) =>
    where.or(...audiences(principal).map((grantee) => where.contains(column, grantee)))
  // The columns `editors` and `members` contain the owner, and `members` the editors.
  const { edit, chat } = options
  const mayEdit =
    edit || options.manage ? eitherOf(manage, edit ?? role('editors')) : role('editors')
  const mayChat =
    edit || chat || options.manage ? eitherOf(mayEdit, chat ?? role('members')) : role('members')
  return {
    audiences,
    see,
    seeGrants: options.seeGrants ?? mayEdit,
    writes: createRules({ manage, edit: mayEdit, chat: mayChat }, options.writes ?? {}),
  }
}

type SessionRule<P extends Principal> = (principal: P) => Condition

function eitherOf<P extends Principal>(one: SessionRule<P>, other: SessionRule<P>): SessionRule<P> {
  return (principal) => where.or(one(principal), other(principal))
}

function createRules<P extends Principal>(
  { manage, edit, chat }: Readonly<Record<'manage' | 'edit' | 'chat', SessionRule<P>>>,
  replaced: NonNullable<AccessOptions<P>['writes']>,
): WriteRules<P> {
  const ownRow = (column: string) => {
    const rule = (principal: P) =>
      where.or(edit(principal), where.and(where.eq(column, principal.userId), chat(principal)))
    return { insert: chat, update: rule, delete: rule }
  }
  return {
    sessions: {
      insert: always,
      update: (principal, { ownerId, visibility }) =>
        ownerId === undefined && visibility === undefined ? edit(principal) : manage(principal),
      delete: manage,
      ...replaced.sessions,
    },
    sessionGrants: {
      insert: manage,
      update: manage,
      // A user may leave a session.
      delete: (principal) =>
        where.or(manage(principal), where.eq('share.grantee', `user:${principal.userId}`)),
      ...replaced.sessionGrants,
    },
    timelineEvents: { insert: edit, update: edit, delete: edit, ...replaced.timelineEvents },
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
  const seen = access.audiences(principal).map((audience) => access.see(principal, audience))
  // A rule of an app may be the same for several audiences.
  return where.or(...new Map(seen.map((each) => [JSON.stringify(each), each])).values())
}

/**
 * Returns the audiences through which a principal sees different sessions, the widest first. A rule whose
 * condition is the same for several audiences needs one shape for them, not one each.
 */
export function distinctAudiences<P extends Principal>(
  access: SessionAccess<P>,
  principal: P,
): readonly string[] {
  const seen = new Map<string, string>()
  for (const audience of access.audiences(principal)) {
    const condition = JSON.stringify(access.see(principal, audience))
    if (!seen.has(condition)) seen.set(condition, audience)
  }
  return [...seen.values()]
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
