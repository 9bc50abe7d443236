import { expectTypeOf, test } from 'vitest'
import {
  branchEnd,
  type ChatMessage,
  type Siblings,
  siblingsOf,
  threadPath,
} from '../../src/index.ts'

declare const messages: ChatMessage[]
declare const message: ChatMessage

test('the branches of a thread', () => {
  expectTypeOf(threadPath(messages, 'm1')).toEqualTypeOf<ChatMessage[]>()
  expectTypeOf(siblingsOf(messages, message)).toEqualTypeOf<Siblings<ChatMessage>>()
  expectTypeOf(branchEnd(messages, message)).toEqualTypeOf<ChatMessage>()
  // @ts-expect-error: a message without a position
  threadPath([{ id: 'm1', parentId: null }])
})
