import { type RawBuilder, sql } from 'kysely'
import type { CollectionName, Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/batch.ts'

/** The mutations of one collection and one type. */
export type MutationOf<Collection extends CollectionName, Type extends Mutation['type']> = Extract<
  Mutation,
  { collection: Collection; type: Type }
>

/** Returns the SQL condition under which a principal may make a mutation. */
export type PolicyRule<
  P extends Principal,
  Collection extends CollectionName,
  Type extends Mutation['type'],
> = (principal: P, mutation: MutationOf<Collection, Type>) => RawBuilder<boolean>

/** The rules of one collection. Appending to a streaming message counts as updating it. */
export type PolicyRules<P extends Principal, Collection extends CollectionName> = {
  readonly [Type in Exclude<Mutation['type'], 'append'>]: PolicyRule<P, Collection, Type>
}

/**
 * Decides who may see and change what. Each rule is a SQL condition that becomes part of the writing
 * statement, so nothing can change between the decision and the write.
 *
 * A condition may use these row aliases: `session` (everywhere except in `sessions.insert`), `thread`
 * (`chatThreads` update and delete, all of `chatMessages`), `message` (`chatMessages` update and
 * delete) and `event` (`timelineEvents` update and delete). Values in `${…}` become parameters. The
 * store adds the tenant to every statement.
 *
 * Rows in a session that `see` rejects are `not_found`, whatever the rules return. `see` should accept
 * the same sessions as the shapes that the app serves.
 */
export type SessionPolicy<P extends Principal = Principal> = {
  readonly see: (principal: P) => RawBuilder<boolean>
} & { readonly [Collection in CollectionName]: PolicyRules<P, Collection> }

const TRUE = sql<boolean>`true`
const everyone = () => TRUE
const sessionOwner = (principal: Principal) => sql<boolean>`session.owner_id = ${principal.userId}`
const threadCreatorOrSessionOwner = (principal: Principal) =>
  sql<boolean>`thread.created_by = ${principal.userId} OR session.owner_id = ${principal.userId}`
const authorOrSessionOwner = (principal: Principal) =>
  sql<boolean>`message.author_id = ${principal.userId} OR session.owner_id = ${principal.userId}`

/**
 * Users see the sessions they own and those shared with their tenant, and chat in both. A session and
 * its timeline are changed and deleted by the owner, a thread by its creator or the session's owner,
 * a message by its author or the session's owner.
 *
 * @example
 * import { defaultPolicy, type SessionPolicy, sql } from '@org/session-db/server'
 *
 * const policy: SessionPolicy = {
 *   ...defaultPolicy,
 *   chatMessages: { ...defaultPolicy.chatMessages, delete: () => sql`false` },
 * }
 */
export const defaultPolicy: SessionPolicy = {
  see: (principal) =>
    sql<boolean>`session.owner_id = ${principal.userId} OR session.visibility = 'tenant'`,
  sessions: { insert: everyone, update: sessionOwner, delete: sessionOwner },
  timelineEvents: { insert: sessionOwner, update: sessionOwner, delete: sessionOwner },
  chatThreads: {
    insert: everyone,
    update: threadCreatorOrSessionOwner,
    delete: threadCreatorOrSessionOwner,
  },
  chatMessages: { insert: everyone, update: authorOrSessionOwner, delete: authorOrSessionOwner },
}

type AnyRule<P extends Principal> = (principal: P, mutation: Mutation) => RawBuilder<boolean>

/** Returns the policy's condition for one mutation. */
export function permissionFor<P extends Principal>(
  policy: SessionPolicy<P>,
  principal: P,
  mutation: Mutation,
): RawBuilder<boolean> {
  // TypeScript can't relate the rule's collection and type to those of the mutation.
  const rules = policy[mutation.collection] as Record<
    Exclude<Mutation['type'], 'append'>,
    AnyRule<P>
  >
  if (mutation.type !== 'append') return rules[mutation.type](principal, mutation)
  const { collection, id } = mutation
  return rules.update(principal, { collection, type: 'update', id, changes: {} })
}
