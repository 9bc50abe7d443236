import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attachmentStories } from './stories/attachments.ts'
import { chatStories } from './stories/chat.ts'
import { chatListStories } from './stories/chats.ts'
import { conversationStories } from './stories/conversation.ts'
import { startWorld, type World } from './stories/world.ts'

let world: World

beforeAll(async () => {
  world = await startWorld()
})

afterAll(() => world?.close())

describe('a chat', () => chatStories(() => world))
describe('attachments', () => attachmentStories(() => world))
describe('the list of chats', () => chatListStories(() => world))
describe('a conversation', () => conversationStories(() => world))

test('no window logged a console warning or error', () => {
  expect(world.complaints()).toEqual([])
})
