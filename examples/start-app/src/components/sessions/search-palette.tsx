import { useEffect, useState } from 'react'
import { later } from '#/lib/later'

const PaletteDialog = later(() => import('./palette-dialog'))

/** Opens the search over everything with ⌘K or Ctrl+K; "/" focuses the search of the list. */
export function SearchPalette() {
  const [open, setOpen] = useState(false)
  useEffect(() => {
    function onKeyDown(event: globalThis.KeyboardEvent) {
      if ((event.metaKey || event.ctrlKey) && !event.altKey && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        setOpen(true)
      }
      if (event.key === '/' && !isTyping(event.target)) {
        const field = document.querySelector<HTMLInputElement>('[data-testid="session-search"]')
        if (field === null || field.offsetParent === null) return setOpen(true)
        event.preventDefault()
        field.focus()
      }
    }
    window.addEventListener('keydown', onKeyDown)
    return () => window.removeEventListener('keydown', onKeyDown)
  }, [])
  return open && <PaletteDialog onClose={() => setOpen(false)} />
}

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
