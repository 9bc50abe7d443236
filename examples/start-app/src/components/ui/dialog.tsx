import { Dialog as Primitive } from 'radix-ui'
import { type ReactNode, useEffect, useState } from 'react'

export interface DialogProps {
  title: string
  description: string
  onClose: () => void
  children: ReactNode
}

/** A modal dialog that is open while mounted. */
export function Dialog({ title, description, onClose, children }: DialogProps) {
  const [opener] = useState(() => document.activeElement as HTMLElement | null)
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
