import { type ChatMessage, createId } from '@org/session-db'
import { type KeyboardEvent, useState } from 'react'
import { useReport, useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'
import { wantsAnswers } from './composer'
import { useAnswers } from './use-answers'

/** Writes another version of a message beside it: two edits at the same time are two versions. */
export function MessageEditor({ message, onClose }: { message: ChatMessage; onClose: () => void }) {
  const { db } = useSessionDb()
  const report = useReport()
  const { ask } = useAnswers()
  const [content, setContent] = useState(message.content)

  function save() {
    if (content.trim() === '') return
    if (content !== message.content) {
      const id = createId()
      const { metadata, threadId } = message
      const files = message.parts.filter((part) => Object(part).type === 'file')
      const parts = files.length > 0 ? [{ type: 'text', text: content }, ...files] : []
      const write = db.actions.editMessage(message, {
        id,
        clientMessageId: id,
        content,
        parts,
        metadata,
      })
      report('The message was not changed', write, threadId)
      const answer = async () => {
        await write.committed
        if (wantsAnswers()) await ask(threadId, id)
      }
      // A refusal has been reported.
      answer().catch(() => undefined)
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
          Send
        </Button>
        <Button size="sm" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </div>
  )
}
