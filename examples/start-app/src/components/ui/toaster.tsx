import { CircleAlert, X } from 'lucide-react'
import { Toast } from 'radix-ui'
import { createContext, type ReactNode, useCallback, useContext, useState } from 'react'

interface Notice {
  id: number
  title: string
  text: string
}

const ToastContext = createContext<(title: string, text: string) => void>(() => {})

/** Shows a message to the user: `toast('Not sent', 'The server could not be reached.')`. */
export function useToast() {
  return useContext(ToastContext)
}

export function Toaster({ children }: { children: ReactNode }) {
  const [notices, setNotices] = useState<Notice[]>([])
  const toast = useCallback((title: string, text: string) => {
    setNotices((shown) => [...shown.slice(-2), { id: (shown.at(-1)?.id ?? 0) + 1, title, text }])
  }, [])
  return (
    <ToastContext value={toast}>
      <Toast.Provider duration={8000} swipeDirection="up">
        {children}
        {notices.map((notice) => (
          <Toast.Root
            key={notice.id}
            data-testid="toast"
            onOpenChange={() => setNotices((shown) => shown.filter(({ id }) => id !== notice.id))}
            className="pointer-events-auto flex animate-rise gap-3 rounded-xl border bg-raised p-3.5 shadow-lg"
          >
            <CircleAlert className="mt-0.5 size-4 shrink-0 text-danger" aria-hidden />
            <div className="min-w-0 flex-1">
              <Toast.Title className="text-sm font-medium">{notice.title}</Toast.Title>
              <Toast.Description className="mt-0.5 text-[13px] break-words text-muted-foreground">
                {notice.text}
              </Toast.Description>
            </div>
            <Toast.Close
              aria-label="Dismiss"
              className="self-start text-muted-foreground hover:text-foreground"
            >
              <X className="size-4" />
            </Toast.Close>
          </Toast.Root>
        ))}
        <Toast.Viewport className="pointer-events-none fixed inset-x-0 top-12 z-60 mx-auto flex w-full max-w-sm flex-col gap-2 p-4 outline-none" />
      </Toast.Provider>
    </ToastContext>
  )
}
