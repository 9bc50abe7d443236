import type { Session } from '@org/session-db'
import { useNavigate } from '@tanstack/react-router'
import { Clock } from 'lucide-react'
import { type FormEvent, useId, useState } from 'react'
import { Button } from '#/components/ui/button'
import { Popover } from '#/components/ui/popover'
import { fullTime, localDateTime } from '#/lib/format'
import type { TimelineSource } from './timeline-source'

interface JumpToTimeProps {
  session: Session
  source: TimelineSource
}

/** Jumps to the first event after a point in time. */
export function JumpToTime({ session, source }: JumpToTimeProps) {
  const { startedAt, endedAt } = session
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const [problem, setProblem] = useState('')
  const id = useId()
  if (startedAt === null) return null

  async function jump(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = event.currentTarget
    const time = new Date(String(new FormData(form).get('time')))
    try {
      const at = await source.seqAtTime(time)
      setProblem(at === undefined ? 'There are no events after that time.' : '')
      if (at === undefined) return
      form.closest<HTMLElement>('[popover]')?.hidePopover()
      await navigate({ search: (search) => ({ ...search, at }), replace: true })
    } catch (error) {
      setProblem(error instanceof Error ? error.message : 'That failed. Try again.')
    }
  }

  return (
    <Popover
      trigger={
        <Button size="sm" aria-label="Jump to a time" data-testid="jump-to-time" className="px-2">
          <Clock />
        </Button>
      }
    >
      <form onSubmit={jump} className="space-y-2">
        <label htmlFor={id} className="text-sm font-medium">
          Jump to
        </label>
        <input
          id={id}
          name="time"
          type="datetime-local"
          step={1}
          required
          data-testid="jump-time"
          defaultValue={localDateTime(startedAt)}
          className="h-9 w-full rounded-lg border bg-background px-2.5 text-sm"
        />
        <p className="text-xs text-muted-foreground">
          {fullTime(startedAt)}
          {endedAt && ` to ${fullTime(endedAt)}`}
        </p>
        {problem && (
          <p role="alert" className="text-xs text-danger">
            {problem}
          </p>
        )}
        <Button type="submit" size="sm" variant="primary" data-testid="jump" className="w-full">
          Go
        </Button>
      </form>
    </Popover>
  )
}
