import type { TimelineEvent } from '@org/session-db'
import { type FocusEvent, type KeyboardEvent, type RefObject, useState } from 'react'
import type { VirtualizerHandle } from 'virtua'
import { eventName } from '#/lib/event-names'

const ROW = '[data-row]'
/** Rows that are searched for one that can have the focus: a folded result has none. */
const MOST_SKIPPED = 50
/** Frames that a jump waits for its row. */
const MOST_FRAMES = 60
/** Frames after which a list has stopped adjusting. */
const STEADY_FRAMES = 6

/**
 * Returns the attributes of a row that the keys move to.
 *
 * @param isStop true for the row that the Tab key reaches
 * @param isTarget true if the URL points at it
 */
export function rowProps(event: TimelineEvent, isStop: boolean, isTarget: boolean) {
  return {
    tabIndex: isStop ? 0 : -1,
    'data-row': true,
    'data-testid': `event-${event.seq}`,
    'data-kind': event.kind,
    'data-target': isTarget || undefined,
    'aria-label': `${eventName(event)} ${event.toolName ?? ''} #${event.seq}`,
  }
}

/**
 * Keys of the timeline. The Tab key stops at one row; arrows up and down, Home and End move between rows,
 * Enter opens a row, arrows right and left move between its buttons, Escape returns to the row.
 */
export function useRowKeys(list: RefObject<VirtualizerHandle | null>, count: number) {
  const [stop, setStop] = useState<number>()

  function moveTo(scroller: HTMLElement, from: number, step: 1 | -1): boolean {
    for (let row = from, skipped = 0; row >= 0 && row < count; row += step, skipped += 1) {
      const item = scroller.querySelector(`[data-index="${row}"]`)
      const target = item?.querySelector<HTMLElement>(ROW)
      if (target) {
        target.focus({ preventScroll: true })
        target.scrollIntoView({ block: 'nearest' })
        return true
      }
      if (skipped > MOST_SKIPPED) return false
    }
    return false
  }

  function jumpTo(scroller: HTMLElement, row: number, step: 1 | -1): void {
    list.current?.scrollToIndex(row, { align: row === 0 ? 'start' : 'end' })
    // The row is rendered first, and again while rows are measured and the list adjusts its place.
    let hadFocus = false
    const focusRow = (frames: number, steady: number) => {
      const item = scroller.querySelector(`[data-index="${row}"]`)
      const isThere = item?.contains(document.activeElement) === true
      // The user went on, and the focus isn't merely lost with a row that is rendered again.
      if (hadFocus && !isThere && document.activeElement !== document.body) return
      hadFocus ||= isThere
      if (item && !isThere) moveTo(scroller, row, step)
      if (frames === 0 || steady === STEADY_FRAMES) return
      requestAnimationFrame(() => focusRow(frames - 1, isThere ? steady + 1 : 0))
    }
    requestAnimationFrame(() => focusRow(MOST_FRAMES, 0))
  }

  function onKeyDown(event: KeyboardEvent<HTMLElement>): void {
    const { key, currentTarget: scroller } = event
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const focused = event.target as HTMLElement
    const item = focused.closest<HTMLElement>('[data-index]')
    const row = item?.querySelector<HTMLElement>(ROW) ?? null
    const at = Number(item?.dataset.index ?? Number.NaN)
    const isRow = row === focused
    const handled = () => {
      event.preventDefault()
      event.stopPropagation()
    }
    if (key === 'ArrowDown' || key === 'ArrowUp') {
      const step = key === 'ArrowDown' ? 1 : -1
      const first = list.current?.findItemIndex(list.current.scrollOffset) ?? 0
      const from = Number.isNaN(at) ? first : at + step
      if (moveTo(scroller, from, step)) handled()
    } else if (row !== null && (key === 'Home' || key === 'End')) {
      jumpTo(scroller, key === 'Home' ? 0 : count - 1, key === 'Home' ? 1 : -1)
      handled()
    } else if (isRow && (key === 'Enter' || key === ' ')) {
      row.querySelector<HTMLElement>('[aria-expanded]')?.click()
      handled()
    } else if (row !== null && (key === 'ArrowRight' || key === 'ArrowLeft')) {
      // The row's own buttons first: those of the set-up events are around it.
      const all = [...(item?.querySelectorAll<HTMLElement>('button, a') ?? [])]
      const buttons = [
        ...all.filter((button) => row.contains(button)),
        ...all.filter((button) => !row.contains(button)),
      ].filter((button) => button.offsetParent !== null)
      const next = buttons.indexOf(focused) + (key === 'ArrowRight' ? 1 : -1)
      if (next < 0) row.focus()
      else buttons[next]?.focus()
      handled()
    } else if (row !== null && !isRow && key === 'Escape') {
      row.focus()
      handled()
    }
  }

  function onFocus(event: FocusEvent<HTMLElement>): void {
    const index = (event.target as HTMLElement).closest<HTMLElement>('[data-index]')?.dataset.index
    if (index !== undefined) setStop(Number(index))
  }

  return { stop, props: { onKeyDown, onFocus } }
}
