import {
  type ChatMessage,
  type ColumnDefinition,
  column,
  type RowOf,
  type Session,
  type SessionInsert,
  type StreamState,
  streamStateOf,
  toUIMessage,
} from '@org/session-db'
import type { UIMessage } from 'ai'
import { describe, expectTypeOf, test } from 'vitest'

declare const message: ChatMessage

test('column', () => {
  expectTypeOf(column('id', 'text')).toEqualTypeOf<ColumnDefinition<'text', false, true>>()
  expectTypeOf(column('note', 'jsonb', { nullable: true, synced: false })).toEqualTypeOf<
    ColumnDefinition<'jsonb', true, false>
  >()
  const columns = { dueAt: column('due_at', 'timestamp with time zone', { nullable: true }) }
  expectTypeOf<RowOf<typeof columns>>().toEqualTypeOf<{ dueAt: Date | null }>()
  // @ts-expect-error no such type
  column('id', 'varchar')
  // @ts-expect-error no such option
  column('id', 'text', { null: true })
})

describe('rows', () => {
  test('have the types of their columns', () => {
    expectTypeOf<Session['createdAt']>().toEqualTypeOf<Date>()
    expectTypeOf<Session['startedAt']>().toEqualTypeOf<Date | null>()
    expectTypeOf<ChatMessage['role']>().toEqualTypeOf<'system' | 'user' | 'assistant' | 'tool'>()
    expectTypeOf<SessionInsert>().not.toHaveProperty('ownerId')
    expectTypeOf<Session>().not.toHaveProperty('contentRef')
  })
})

describe('streamed messages', () => {
  test('streamStateOf', () => {
    expectTypeOf(streamStateOf(message.metadata)).toEqualTypeOf<StreamState>()
    expectTypeOf(streamStateOf({}).error?.code).toEqualTypeOf<
      'failed' | 'aborted' | 'abandoned' | undefined
    >()
    // @ts-expect-error the metadata, not the message's id
    streamStateOf(message.id)
  })
})

test('toUIMessage returns an AI SDK message, except for the type of its parts', () => {
  const ui = toUIMessage(message)
  expectTypeOf(ui.role).toEqualTypeOf<UIMessage['role']>()
  expectTypeOf(toUIMessage).parameter(0).not.toHaveProperty('tenantId')
  // @ts-expect-error a message has parts
  toUIMessage({ id: 'm1', role: 'user', metadata: {}, content: 'Hello' })
})
