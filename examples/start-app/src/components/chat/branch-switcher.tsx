import type { ChatMessage, Siblings } from '@org/session-db'
import { ChevronLeft, ChevronRight } from 'lucide-react'
import { Button } from '#/components/ui/button'

interface BranchSwitcherProps {
  siblings: Siblings<ChatMessage>
  onSwitch: (sibling: ChatMessage) => void
}

/** Steps through the versions of a message. */
export function BranchSwitcher({ siblings: { all, index }, onSwitch }: BranchSwitcherProps) {
  const step = (label: string, to: number, Icon: typeof ChevronLeft) => {
    const sibling = all[to]
    return (
      <Button
        variant="ghost"
        size="icon"
        className="size-6 [&_svg]:size-3.5"
        aria-label={label}
        disabled={sibling === undefined}
        onClick={() => sibling && onSwitch(sibling)}
      >
        <Icon />
      </Button>
    )
  }
  return (
    <div
      data-testid="versions"
      className="mt-1 -ml-1.5 flex items-center text-xs text-muted-foreground tabular-nums"
    >
      {step('Previous version', index - 1, ChevronLeft)}
      {index + 1} / {all.length}
      {step('Next version', index + 1, ChevronRight)}
    </div>
  )
}
