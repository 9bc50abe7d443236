import { CircleAlert, X } from 'lucide-react'
import { Toast } from 'radix-ui'
import { Button } from './button'
import type { ShownNotice } from './toaster'

interface ToastsProps {
  notices: readonly ShownNotice[]
  onClose: (id: number) => void
}

export default function Toasts({ notices, onClose }: ToastsProps) {
  return (
    <Toast.Provider duration={8_000} swipeDirection="down">
      {notices.map(({ id, title, text, action, durationMs }) => (
        <Toast.Root
          key={id}
          data-testid="toast"
          {...(durationMs !== undefined && { duration: durationMs })}
          onOpenChange={() => onClose(id)}
          className="pointer-events-auto flex animate-rise items-start gap-3 rounded-xl border bg-raised p-3.5 shadow-lg"
        >
          {!action && <CircleAlert className="mt-0.5 size-4 shrink-0 text-danger" aria-hidden />}
          <div className="min-w-0 flex-1 self-center">
            <Toast.Title className="text-sm font-medium">{title}</Toast.Title>
            {text && (
              <Toast.Description className="mt-0.5 text-[13px] break-words text-muted-foreground">
                {text}
              </Toast.Description>
            )}
          </div>
          {action && (
            <Toast.Action altText={`${action.label}: press F8, then Enter`} asChild>
              <Button size="sm" data-testid="undo" onClick={action.onAction}>
                {action.label}
              </Button>
            </Toast.Action>
          )}
          <Toast.Close
            aria-label="Dismiss"
            className="mt-0.5 rounded-md p-0.5 text-muted-foreground hover:text-foreground"
          >
            <X className="size-4" />
          </Toast.Close>
        </Toast.Root>
      ))}
      <Toast.Viewport className="pointer-events-none fixed inset-x-0 bottom-16 z-60 mx-auto flex w-full max-w-sm flex-col gap-2 p-4 outline-none" />
    </Toast.Provider>
  )
}
