import { EllipsisVertical } from 'lucide-react'
import type { ComponentProps } from 'react'
import { Button } from '#/components/ui/button'

/** The button of a menu of actions. `aria-label` names their subject. */
export function MoreButton(props: ComponentProps<typeof Button>) {
  return (
    <Button variant="ghost" size="icon" {...props}>
      <EllipsisVertical />
    </Button>
  )
}
