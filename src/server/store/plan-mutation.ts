import type { RawBuilder } from 'kysely'
import type { Principal } from '../../schema/index.ts'
import type { Mutation } from '../../writes/index.ts'
import type { DeleteMutation, MutationPlan, PlanContext, UpdateMutation } from './mutation-plan.ts'
import { planAppend } from './plan-append.ts'
import { planDelete } from './plan-delete.ts'
import {
  planMessageInsert,
  planSessionInsert,
  planThreadInsert,
  planTimelineEventInsert,
} from './plan-insert.ts'
import { planUpdate } from './plan-update.ts'

/** Puts the SQL of one mutation together, the policy's rule for it included. */
export function planMutation<User extends Principal>(
  context: PlanContext<User>,
  mutation: Mutation,
): MutationPlan {
  switch (mutation.type) {
    case 'insert':
      return planInsert(context, mutation)
    case 'update':
      return planUpdate(context, mutation, updateRule(context, mutation))
    case 'delete':
      return planDelete(context, mutation, deleteRule(context, mutation))
    case 'append':
      return planAppend(context, mutation)
  }
}

function planInsert<User extends Principal>(
  context: PlanContext<User>,
  mutation: Extract<Mutation, { type: 'insert' }>,
): MutationPlan {
  switch (mutation.collection) {
    case 'sessions':
      return planSessionInsert(context, mutation)
    case 'timelineEvents':
      return planTimelineEventInsert(context, mutation)
    case 'chatThreads':
      return planThreadInsert(context, mutation)
    case 'chatMessages':
      return planMessageInsert(context, mutation)
  }
}

function updateRule<User extends Principal>(
  { principal, policy }: PlanContext<User>,
  mutation: UpdateMutation,
): RawBuilder<boolean> {
  switch (mutation.collection) {
    case 'sessions':
      return policy.sessions.update(principal, mutation)
    case 'timelineEvents':
      return policy.timelineEvents.update(principal, mutation)
    case 'chatThreads':
      return policy.chatThreads.update(principal, mutation)
    case 'chatMessages':
      return policy.chatMessages.update(principal, mutation)
  }
}

function deleteRule<User extends Principal>(
  { principal, policy }: PlanContext<User>,
  mutation: DeleteMutation,
): RawBuilder<boolean> {
  switch (mutation.collection) {
    case 'sessions':
      return policy.sessions.delete(principal, mutation)
    case 'timelineEvents':
      return policy.timelineEvents.delete(principal, mutation)
    case 'chatThreads':
      return policy.chatThreads.delete(principal, mutation)
    case 'chatMessages':
      return policy.chatMessages.delete(principal, mutation)
  }
}
