import type { RawBuilder } from 'kysely'
import type { Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/index.ts'
import type { SessionPolicy } from './policy.ts'

type AnyRule<User extends Principal> = (principal: User, mutation: Mutation) => RawBuilder<boolean>

/** To append to a message that is being streamed is to update it. */
type RuledType = Exclude<Mutation['type'], 'append'>

/** What the policy says of this mutation by this principal. */
export function permissionFor<User extends Principal>(
  policy: SessionPolicy<User>,
  principal: User,
  mutation: Mutation,
): RawBuilder<boolean> {
  // The rule is the one for this collection and type, which types cannot say of the two together.
  const rules = policy[mutation.collection] as Record<RuledType, AnyRule<User>>
  if (mutation.type !== 'append') return rules[mutation.type](principal, mutation)
  const { collection, id } = mutation
  return rules.update(principal, { collection, type: 'update', id, changes: {} })
}
