import {
  type ComponentProps,
  cloneElement,
  type HTMLAttributes,
  type ReactElement,
  useId,
  useState,
} from 'react'
import { placeBeside } from '#/lib/place-beside'

interface AnchoredProps extends HTMLAttributes<HTMLDivElement> {
  role: 'menu' | 'dialog'
  trigger: ReactElement<ComponentProps<'button'>>
  /** Selects the element inside that gets the focus. */
  focus: string
}

/**
 * A panel next to the button that opens it. The browser closes it with Escape or a click elsewhere,
 * and returns the focus to the button. The trigger must take a button's props.
 */
export function Anchored({ role, trigger, focus, children, ...props }: AnchoredProps) {
  const id = useId()
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      {cloneElement(trigger, {
        id: `${id}-button`,
        popoverTarget: id,
        'aria-haspopup': role,
        'aria-expanded': isOpen,
        style: { anchorName: `--${id}` },
      })}
      {/* biome-ignore lint/a11y/useAriaPropsSupportedByRole: menus and dialogs support it */}
      <div
        {...props}
        id={id}
        popover="auto"
        role={role}
        aria-labelledby={`${id}-button`}
        style={{ positionAnchor: `--${id}` }}
        onBeforeToggle={(event) => event.newState === 'open' && setOpen(true)}
        onToggle={(event) => {
          setOpen(event.newState === 'open')
          if (event.newState !== 'open') return
          const button = document.getElementById(`${id}-button`)
          if (button !== null) placeBeside(event.currentTarget, button, 'below')
          event.currentTarget.querySelector<HTMLElement>(focus)?.focus()
        }}
      >
        {isOpen && children}
      </div>
    </>
  )
}
