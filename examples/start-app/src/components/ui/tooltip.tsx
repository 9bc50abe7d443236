import {
  cloneElement,
  type HTMLAttributes,
  type PointerEvent,
  type ReactElement,
  type ReactNode,
  useEffect,
  useId,
  useRef,
  useState,
} from 'react'
import { placeBeside } from '#/lib/place-beside'

const SHOW_AFTER_MS = 300
/** Time to move the pointer from the control to its tooltip. */
const HIDE_AFTER_MS = 100

interface TooltipProps {
  label: ReactNode
  children: ReactElement<HTMLAttributes<HTMLElement>>
}

/** Describes a control on hover and focus. The child must take an element's props. */
export function Tooltip({ label, children }: TooltipProps) {
  const anchor = `--${useId()}`
  const id = useId()
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const [isShown, setShown] = useState(false)
  useEffect(() => () => clearTimeout(timer.current), [])

  function change(next: boolean, afterMs = 0) {
    clearTimeout(timer.current)
    if (afterMs === 0) setShown(next)
    else timer.current = setTimeout(() => setShown(next), afterMs)
  }
  const enter = ({ pointerType }: PointerEvent) => {
    // A touch would leave it open.
    if (pointerType !== 'touch') change(true, SHOW_AFTER_MS)
  }
  const leave = () => change(false, HIDE_AFTER_MS)

  return (
    <>
      {cloneElement(children, {
        'aria-describedby': isShown ? id : undefined,
        style: { anchorName: anchor },
        onPointerEnter: enter,
        onPointerLeave: leave,
        onPointerDown: () => change(false),
        onFocus: (event) => event.currentTarget.matches(':focus-visible') && change(true),
        onBlur: () => change(false),
        onKeyDown: (event) => event.key === 'Escape' && change(false),
      })}
      {isShown && (
        <span
          ref={(tip) => {
            if (tip === null) return
            tip.showPopover()
            // It follows its control in the document.
            if (tip.previousElementSibling !== null) {
              placeBeside(tip, tip.previousElementSibling, 'above')
            }
          }}
          id={id}
          popover="manual"
          role="tooltip"
          style={{ positionAnchor: anchor }}
          onPointerEnter={() => change(true)}
          onPointerLeave={leave}
          className="anchored-above max-w-64 animate-fade rounded-md bg-foreground px-2 py-1 text-xs whitespace-normal text-background shadow-md"
        >
          {label}
        </span>
      )}
    </>
  )
}
