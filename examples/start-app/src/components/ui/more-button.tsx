import { EllipsisVertical } from 'lucide-react'
import type { ComponentProps } from 'react'
import { Button } from '#/components/ui/button'

/** The button of a menu of what can be done with something, which `aria-label` names. */
export function MoreButton(props: ComponentProps<typeof Button>) {
  return (
    <Button variant="ghost" size="icon" {...props}>
      <EllipsisVertical />
    </Button>
  )
}
