import { createContext, type ReactNode, useCallback, useContext, useState } from 'react'
import { later } from '#/lib/later'

const Toasts = later(() => import('./toasts'))

export interface Notice {
  readonly title: string
  readonly text?: string
  /** An action for the user. Without one, the notice is about a failure. */
  readonly action?: { readonly label: string; readonly onAction: () => void }
  /** How long it stays, in ms. Default 8,000. */
  readonly durationMs?: number
}

export interface ShownNotice extends Notice {
  readonly id: number
}

const ToastContext = createContext<(notice: Notice) => () => void>(() => () => {})

/** Shows a notice and returns a function that removes it: `toast({ title: 'Not sent' })`. */
export function useToast() {
  return useContext(ToastContext)
}

let lastId = 0

export function Toaster({ children }: { children: ReactNode }) {
  const [notices, setNotices] = useState<readonly ShownNotice[]>([])
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
      {children}
      {notices.length > 0 && <Toasts notices={notices} onClose={close} />}
    </ToastContext>
  )
}
