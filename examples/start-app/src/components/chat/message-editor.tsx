import type { ChatMessage } from '@org/session-db'
import { type KeyboardEvent, useState } from 'react'
import { useReport, useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'

/** Edits a message in place. Concurrent changes by others are not overwritten. */
export function MessageEditor({ message, onClose }: { message: ChatMessage; onClose: () => void }) {
  const { db } = useSessionDb()
  const report = useReport()
  const [content, setContent] = useState(message.content)
  const [expectedVersion] = useState(message.version)

  function save() {
    if (content.trim() === '') return
    if (content !== message.content) {
      const write = db.actions.updateMessage(message.id, { content }, { expectedVersion })
      report('The message was not changed', write, message.threadId)
    }
    onClose()
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === 'Escape') onClose()
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    save()
  }

  return (
    <div className="space-y-2 pt-1">
      <textarea
        // biome-ignore lint/a11y/noAutofocus: the user has just asked to type here
        autoFocus
        aria-label="Message text"
        data-testid="edit-input"
        value={content}
        onChange={(event) => setContent(event.target.value)}
        onKeyDown={onKeyDown}
        className="field-sizing-content max-h-64 w-full resize-none rounded-lg border bg-background px-3 py-2 text-sm leading-6"
      />
      <div className="flex gap-2">
        <Button
          size="sm"
          variant="primary"
          data-testid="edit-save"
          disabled={content.trim() === ''}
          onClick={save}
        >
          Save
        </Button>
        <Button size="sm" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </div>
  )
}
