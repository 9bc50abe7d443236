import { type FormEvent, useId, useState } from 'react'
import { Button } from './button'
import { Dialog, type DialogProps } from './dialog'

interface TitleDialogProps extends Omit<DialogProps, 'children'> {
  initial: string
  action: string
  onSubmit: (title: string) => void
}

/** Asks for one line of text, for example a new name. */
export default function TitleDialog({ initial, action, onSubmit, ...dialog }: TitleDialogProps) {
  const [title, setTitle] = useState(initial)
  const id = useId()
  const submit = (event: FormEvent) => {
    event.preventDefault()
    onSubmit(title.trim())
    dialog.onClose()
  }
  return (
    <Dialog {...dialog}>
      <form onSubmit={submit} className="mt-4">
        <label htmlFor={id} className="text-sm font-medium">
          Title
        </label>
        <input
          id={id}
          data-testid="title-input"
          value={title}
          onChange={(event) => setTitle(event.target.value)}
          onFocus={(event) => event.target.select()}
          maxLength={1000}
          autoComplete="off"
          className="mt-1.5 h-10 w-full rounded-lg border bg-background px-3 text-sm"
        />
        <div className="mt-5 flex justify-end gap-2">
          <Button onClick={dialog.onClose}>Cancel</Button>
          <Button
            type="submit"
            variant="primary"
            disabled={title.trim() === ''}
            data-testid="title-save"
          >
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
