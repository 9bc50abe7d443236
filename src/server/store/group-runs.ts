import type { Mutation } from '../../writes/index.ts'
import { isForRun } from './message-run.ts'
import type { Fragment } from './template.ts'

/** What the policy says of a mutation. */
export interface Ruling {
  readonly see: Fragment
  readonly rule: Fragment
}

/** A mutation with what the policy says of it. */
export type Ruled = Ruling & { readonly mutation: Mutation }

/** Puts together what is one run; everything else stands alone. */
export function groupRuns(ruled: readonly Ruled[]): [Ruled, ...Ruled[]][] {
  const groups: [Ruled, ...Ruled[]][] = []
  for (const each of ruled) {
    const last = groups.at(-1)
    if (last !== undefined && goesOn(last[0], each)) last.push(each)
    else groups.push([each])
  }
  return groups
}

function goesOn(first: Ruled, next: Ruled): boolean {
  const [one, other] = [first.mutation, next.mutation]
  return (
    isForRun(one) &&
    isForRun(other) &&
    one.value.threadId === other.value.threadId &&
    isSame(first.see, next.see) &&
    isSame(first.rule, next.rule)
  )
}

function isSame(one: Fragment, other: Fragment): boolean {
  return (
    one.sql === other.sql &&
    one.parameters.length === other.parameters.length &&
    one.parameters.every((value, index) => value === other.parameters[index])
  )
}
