import { attachmentStories } from './stories/attachments.ts'
import { chatStories } from './stories/chat.ts'
import { chatListStories } from './stories/chats.ts'
import { conversationStories } from './stories/conversation.ts'
import { tellStories } from './stories/world.ts'

tellStories({
  'a chat': chatStories,
  attachments: attachmentStories,
  'the list of chats': chatListStories,
  'a conversation': conversationStories,
})
