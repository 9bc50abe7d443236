import type { ComponentProps, KeyboardEvent, MouseEvent, ReactNode } from 'react'
import { cn } from '#/lib/cn'
import { Anchored } from './anchored'

const ITEMS = '[role="menuitem"]:not(:disabled)'

interface MenuProps {
  trigger: ComponentProps<typeof Anchored>['trigger']
  children: ReactNode
}

/** A button with a menu. Choosing an item closes it. */
export function Menu({ trigger, children }: MenuProps) {
  return (
    <Anchored
      role="menu"
      trigger={trigger}
      focus={ITEMS}
      onKeyDown={moveFocus}
      onClick={(event: MouseEvent<HTMLElement>) => {
        if ((event.target as Element).closest(ITEMS)) event.currentTarget.hidePopover()
      }}
      className="anchored-below min-w-44 animate-rise rounded-xl border bg-raised p-1 text-left text-foreground shadow-lg"
    >
      {children}
    </Anchored>
  )
}

/** Arrows, Home, End and first letters move between the items; Tab leaves the menu. */
function moveFocus(event: KeyboardEvent<HTMLElement>) {
  const menu = event.currentTarget
  const items = [...menu.querySelectorAll<HTMLElement>(ITEMS)]
  const at = items.indexOf(document.activeElement as HTMLElement)
  const later = [...items.slice(at + 1), ...items.slice(0, at + 1)]
  const moves: Record<string, HTMLElement | undefined> = {
    ArrowDown: later[0],
    ArrowUp: items.at(at < 0 ? -1 : at - 1),
    Home: items[0],
    End: items.at(-1),
  }
  const letter = event.key.toLowerCase()
  const next =
    moves[event.key] ??
    later.find((item) => item.textContent?.trim().toLowerCase().startsWith(letter))
  if (event.key === 'Tab') menu.hidePopover()
  if (next === undefined || event.key === ' ') return
  event.preventDefault()
  next.focus()
}

const itemClass = (danger: boolean) =>
  cn(
    'flex w-full items-center gap-2.5 rounded-lg px-2.5 py-1.5 text-sm whitespace-nowrap outline-none select-none hover:bg-muted focus-visible:bg-muted disabled:pointer-events-none [&_svg]:size-4 [&_svg]:text-muted-foreground',
    danger && 'text-danger hover:bg-danger-soft focus-visible:bg-danger-soft [&_svg]:text-danger',
  )

interface MenuItemProps extends Omit<ComponentProps<'button'>, 'onSelect'> {
  danger?: boolean
  onSelect: () => void
}

export function MenuItem({ danger = false, onSelect, ...props }: MenuItemProps) {
  return (
    <button
      type="button"
      role="menuitem"
      tabIndex={-1}
      onClick={onSelect}
      className={itemClass(danger)}
      {...props}
    />
  )
}

export function MenuLink({ children, ...props }: ComponentProps<'a'>) {
  return (
    <a role="menuitem" tabIndex={-1} className={itemClass(false)} {...props}>
      {children}
    </a>
  )
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <div className="px-2.5 py-1.5 text-xs text-muted-foreground">{children}</div>
}

export function MenuSeparator() {
  return <hr className="-mx-1 my-1 border-border" />
}
