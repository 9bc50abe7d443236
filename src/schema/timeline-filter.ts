import * as z from 'zod/mini'
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

/** A list of 1 to `length` texts of at most 200 characters. */
export function listOfTexts(length: number) {
  return z.array(textField.check(z.maxLength(200))).check(z.minLength(1), z.maxLength(length))
}

/** Checks a filter that came from elsewhere. */
export const timelineFilterSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    kinds: z.optional(z.array(timelineEventKindSchema).check(z.minLength(1), z.maxLength(8))),
    roles: z.optional(listOfTexts(20)),
    tools: z.optional(listOfTexts(50)),
    from: z.optional(z.date()),
    until: z.optional(z.date()),
    text: z.optional(textField.check(z.maxLength(1_000))),
  }))()

/** A pattern for LIKE that matches any text with these characters in it, each for itself. */
export function containsPattern(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`
}
