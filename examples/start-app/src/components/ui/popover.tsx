import type { ComponentProps, ReactNode } from 'react'
import { Anchored } from './anchored'

interface PopoverProps {
  trigger: ComponentProps<typeof Anchored>['trigger']
  children: ReactNode
}

/** A panel with controls next to the button that opens it. */
export function Popover({ trigger, children }: PopoverProps) {
  return (
    <Anchored
      role="dialog"
      trigger={trigger}
      focus="input, button"
      className="anchored-below w-72 animate-rise overflow-y-auto rounded-xl border bg-raised p-3 text-foreground shadow-lg outline-none"
    >
      {children}
    </Anchored>
  )
}
