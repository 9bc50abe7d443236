import type { KeyboardEvent } from 'react'

const controlsOf = (row: Element | null) => [
  ...(row?.querySelectorAll<HTMLElement>('a, button') ?? []),
]

/**
 * Keys of a list whose rows are one stop of the Tab key each: arrows up and down move between rows, left and right to
 * the other controls of a row, which have `tabIndex={-1}`. A toolbar is a row without a list.
 */
export function moveInRows(event: KeyboardEvent<HTMLElement>): void {
  const { key, target, defaultPrevented, altKey, ctrlKey, metaKey } = event
  const row = (target as HTMLElement).closest('li, [role="toolbar"]')
  if (row === null || defaultPrevented || altKey || ctrlKey || metaKey) return
  const controls = controlsOf(row)
  const at = controls.indexOf(target as HTMLElement)
  const next = {
    ArrowDown: controlsOf(row.nextElementSibling)[0],
    ArrowUp: controlsOf(row.previousElementSibling)[0],
    ArrowRight: controls[at + 1],
    ArrowLeft: controls[at - 1],
  }[key]
  if (next === undefined) return
  event.preventDefault()
  next.focus()
}
