import { createFileRoute } from '@tanstack/react-router'
import { MessagesSquare } from 'lucide-react'
import { Notice } from '#/components/screens'

export const Route = createFileRoute('/_app/')({
  component: () => (
    <Notice icon={MessagesSquare} title="Choose a session" isPage>
      Its timeline and the chats about it appear here.
    </Notice>
  ),
})
