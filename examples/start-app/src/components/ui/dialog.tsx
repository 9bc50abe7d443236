import { Dialog as Primitive } from 'radix-ui'
import { type FormEvent, type ReactNode, useEffect, useId, useState } from 'react'
import { Button } from './button'

interface DialogProps {
  title: string
  description: string
  onClose: () => void
  children: ReactNode
}

/** The element that had the focus. For a menu entry, which disappears, the menu's button. */
function findOpener(): HTMLElement | null {
  const { activeElement } = document
  const menu = activeElement?.closest('[role="menu"]')
  const opener = menu ? document.getElementById(`${menu.getAttribute('aria-labelledby')}`) : null
  return opener ?? (activeElement as HTMLElement | null)
}

/** A modal dialog that is open while mounted. */
export function Dialog({ title, description, onClose, children }: DialogProps) {
  const [opener] = useState(findOpener)
  // After the dialog has released the focus.
  useEffect(() => () => void setTimeout(() => opener?.focus()), [opener])
  return (
    <Primitive.Root open onOpenChange={(open) => !open && onClose()}>
      <Primitive.Portal>
        <Primitive.Overlay className="fixed inset-0 z-40 animate-fade bg-black/45" />
        <Primitive.Content
          onCloseAutoFocus={(event) => event.preventDefault()}
          className="fixed inset-x-4 top-[18vh] z-50 mx-auto max-w-md animate-rise rounded-2xl border bg-raised p-5 shadow-xl"
        >
          <Primitive.Title className="font-semibold">{title}</Primitive.Title>
          <Primitive.Description className="mt-1 text-sm text-muted-foreground">
            {description}
          </Primitive.Description>
          {children}
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  )
}

interface TitleDialogProps extends Omit<DialogProps, 'children'> {
  initial: string
  action: string
  onSubmit: (title: string) => void
}

/** Asks for one line of text, for example a new name. */
export function TitleDialog({ initial, action, onSubmit, ...dialog }: TitleDialogProps) {
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

interface ConfirmDialogProps extends Omit<DialogProps, 'children'> {
  action: string
  onConfirm: () => void
}

/** Asks for confirmation of something that can't be undone. */
export function ConfirmDialog({ action, onConfirm, ...dialog }: ConfirmDialogProps) {
  return (
    <Dialog {...dialog}>
      <div className="mt-5 flex justify-end gap-2">
        <Button onClick={dialog.onClose}>Cancel</Button>
        <Button
          variant="danger"
          data-testid="confirm"
          onClick={() => {
            onConfirm()
            dialog.onClose()
          }}
        >
          {action}
        </Button>
      </div>
    </Dialog>
  )
}
