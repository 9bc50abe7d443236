import { DropdownMenu as Primitive } from 'radix-ui'
import type { ComponentProps, ReactNode } from 'react'
import { cn } from '#/lib/cn'

/**
 * A button with a menu. The trigger must take a ref and props. The menu is rendered next to it,
 * inside the same landmark.
 */
export function Menu({ trigger, children }: { trigger: ReactNode; children: ReactNode }) {
  return (
    <Primitive.Root modal={false}>
      <Primitive.Trigger asChild>{trigger}</Primitive.Trigger>
      <Primitive.Content
        align="end"
        sideOffset={6}
        collisionPadding={8}
        className="z-50 min-w-44 animate-rise rounded-xl border bg-raised p-1 shadow-lg"
      >
        {children}
      </Primitive.Content>
    </Primitive.Root>
  )
}

interface MenuItemProps extends ComponentProps<typeof Primitive.Item> {
  danger?: boolean
}

export function MenuItem({ danger = false, className, ...props }: MenuItemProps) {
  return (
    <Primitive.Item
      className={cn(
        'flex items-center gap-2.5 rounded-lg px-2.5 py-1.5 text-sm outline-none select-none data-highlighted:bg-muted [&_svg]:size-4 [&_svg]:text-muted-foreground',
        danger && 'text-danger data-highlighted:bg-danger-soft [&_svg]:text-danger',
        className,
      )}
      {...props}
    />
  )
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return (
    <Primitive.Label className="px-2.5 py-1.5 text-xs text-muted-foreground">
      {children}
    </Primitive.Label>
  )
}

export function MenuSeparator() {
  return <Primitive.Separator className="-mx-1 my-1 h-px bg-border" />
}
