import { type RawBuilder, sql } from 'kysely'
import type { CollectionName, Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/batch.ts'

/** The mutations of one collection and one type. */
export type MutationOf<Collection extends CollectionName, Type extends Mutation['type']> = Extract<
  Mutation,
  { collection: Collection; type: Type }
>

/** A SQL condition that decides whether this principal may make this mutation. */
export type PolicyRule<
  User extends Principal,
  Collection extends CollectionName,
  Type extends Mutation['type'],
> = (principal: User, mutation: MutationOf<Collection, Type>) => RawBuilder<boolean>

/** The rules for one collection. To append to a message that is being streamed is to update it. */
export type PolicyRules<User extends Principal, Collection extends CollectionName> = {
  readonly [Type in Exclude<Mutation['type'], 'append'>]: PolicyRule<User, Collection, Type>
}

/**
 * Who may see and change what, as SQL conditions that become part of the writing statement, so that
 * nothing can change between the decision and the write.
 *
 * A condition may use these row aliases: `session` (everywhere except in `sessions.insert`), `thread`
 * (`chatThreads` update and delete, all of `chatMessages`), `message` (`chatMessages` update and
 * delete) and `event` (`timelineEvents` update and delete). Values go in as `${…}` and become
 * parameters. The tenant needs no mention: the store adds it to every statement.
 *
 * A row whose session `see` does not hold for is answered with `not_found`, whatever the rules say;
 * `see` should hold for the same sessions as the shapes that the app serves.
 */
export type SessionPolicy<User extends Principal = Principal> = {
  readonly see: (principal: User) => RawBuilder<boolean>
} & { readonly [Collection in CollectionName]: PolicyRules<User, Collection> }

const YES = sql<boolean>`true`
const everyone = () => YES
const sessionOwner = (principal: Principal) => sql<boolean>`session.owner_id = ${principal.userId}`
const threadCreatorOrSessionOwner = (principal: Principal) =>
  sql<boolean>`thread.created_by = ${principal.userId} OR session.owner_id = ${principal.userId}`
const authorOrSessionOwner = (principal: Principal) =>
  sql<boolean>`message.author_id = ${principal.userId} OR session.owner_id = ${principal.userId}`

/**
 * See what you own or what is shared with your tenant, and chat in it. The owner changes and deletes
 * a session and its timeline; the creator or the session's owner a thread; the author or the
 * session's owner a message.
 *
 * @example
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
