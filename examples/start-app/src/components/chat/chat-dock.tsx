import type { ChatThread, Session } from '@org/session-db'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { MessageSquarePlus } from 'lucide-react'
import { Button } from '#/components/ui/button'
import { Segmented } from '#/components/ui/segmented'
import { Chat } from './chat'
import { NEW_THREAD } from './use-shown-thread'

/** The chats of a session: about it, or about anything else. */
export default function ChatDock({ session }: { session: Session }) {
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const search = useSearch({ from: '/_app/sessions/$sessionId' })
  const mode: ChatThread['mode'] = search.mode ?? 'session'
  return (
    <>
      <div className="flex h-12 shrink-0 items-center justify-between gap-2 px-3">
        <Segmented
          label="Kind of chat"
          value={mode}
          options={[
            { value: 'session', label: 'This session', testId: 'mode-session' },
            { value: 'general', label: 'General', testId: 'mode-general' },
          ]}
          onChange={(next) =>
            navigate({
              search: (previous) => ({
                ...previous,
                mode: next === 'general' ? next : undefined,
                thread: undefined,
              }),
              replace: true,
            })
          }
        />
        <Button
          size="sm"
          data-testid="new-thread"
          // Nothing is stored before its first message.
          onClick={() =>
            navigate({
              search: (previous) => ({ ...previous, thread: NEW_THREAD }),
              replace: true,
            })
          }
        >
          <MessageSquarePlus /> New thread
        </Button>
      </div>
      <Chat key={`${session.id}/${mode}`} session={session} mode={mode} />
    </>
  )
}
