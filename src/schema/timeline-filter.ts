import { z } from 'zod'
import { textField } from './fields.ts'
import { type TimelineEvent, timelineEventKindSchema } from './timeline-event.ts'

/** Which events of a timeline to show; what is left out does not matter. */
export interface TimelineFilter {
  readonly kinds?: readonly TimelineEvent['kind'][]
  readonly roles?: readonly string[]
  readonly tools?: readonly string[]
  /** Not before. */
  readonly from?: Date
  /** Before. */
  readonly until?: Date
  /** Part of the title or the text, whatever its case. */
  readonly text?: string
}

/** Checks a filter that came from elsewhere. */
export const timelineFilterSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    kinds: z.array(timelineEventKindSchema).min(1).max(8).optional(),
    roles: z.array(textField.max(200)).min(1).max(20).optional(),
    tools: z.array(textField.max(200)).min(1).max(50).optional(),
    from: z.date().optional(),
    until: z.date().optional(),
    text: textField.max(1_000).optional(),
  }))()

/** A pattern for LIKE that matches any text with these characters in it, each for itself. */
export function containsPattern(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`
}
