import { CircleAlert, X } from 'lucide-react'
import { Toast } from 'radix-ui'
import { createContext, type ReactNode, useCallback, useContext, useState } from 'react'
import { Button } from './button'

interface Notice {
  readonly title: string
  readonly text?: string
  /** An action for the user. Without one, the notice is about a failure. */
  readonly action?: { readonly label: string; readonly onAction: () => void }
  /** How long it stays, in ms. Default 8,000. */
  readonly durationMs?: number
}

const ToastContext = createContext<(notice: Notice) => () => void>(() => () => {})

/** Shows a notice and returns a function that removes it: `toast({ title: 'Not sent' })`. */
export function useToast() {
  return useContext(ToastContext)
}

let lastId = 0

export function Toaster({ children }: { children: ReactNode }) {
  const [notices, setNotices] = useState<readonly (Notice & { readonly id: number })[]>([])
  const close = useCallback(
    (id: number) => setNotices((shown) => shown.filter((notice) => notice.id !== id)),
    [],
  )
  const toast = useCallback(
    (notice: Notice) => {
      lastId += 1
      const id = lastId
      setNotices((shown) => [...shown.slice(-2), { ...notice, id }])
      return () => close(id)
    },
    [close],
  )
  return (
    <ToastContext value={toast}>
      <Toast.Provider duration={8_000} swipeDirection="down">
        {children}
        {notices.map(({ id, title, text, action, durationMs }) => (
          <Toast.Root
            key={id}
            data-testid="toast"
            {...(durationMs !== undefined && { duration: durationMs })}
            onOpenChange={() => close(id)}
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
    </ToastContext>
  )
}
