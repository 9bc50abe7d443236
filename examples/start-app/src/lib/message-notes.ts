import type { ChatMessage } from '@org/session-db'

/** An event that a message is about or cites as evidence. */
export interface MessageNote {
  readonly title: string
  readonly text: string | undefined
  /** The seq of the event, if given. */
  readonly seq: number | undefined
}

/**
 * Reads `metadata.contextEvents` or `metadata.evidence`. Apps have stored different formats over
 * time; unknown ones are skipped.
 */
export function notesOf(message: ChatMessage, name: 'contextEvents' | 'evidence'): MessageNote[] {
  const notes = message.metadata[name]
  if (!Array.isArray(notes)) return []
  return notes.flatMap((note) => {
    if (typeof note !== 'object' || note === null || Array.isArray(note)) return []
    const text = (...keys: string[]) =>
      keys.map((key) => note[key]).find((value) => typeof value === 'string' && value !== '')
    const seq = [note.seq, note.eventIndex].find((value) => Number.isSafeInteger(value))
    const title = text('title', 'label', 'kind', 'type', 'eventId', 'id') ?? 'Event'
    return [
      {
        title: String(title),
        text: text('quote', 'text', 'summary', 'content') as string | undefined,
        seq: seq as number | undefined,
      },
    ]
  })
}

/** Reads the model, tokens and duration of an answer, where its metadata has them. */
export function usageOf({ metadata }: ChatMessage) {
  const usage = Object(metadata.usage)
  const number = (value: unknown) => (typeof value === 'number' ? value : undefined)
  const [input, output] = [number(usage.inputTokens), number(usage.outputTokens)]
  return {
    model: typeof metadata.model === 'string' ? metadata.model : undefined,
    tokens: input === undefined && output === undefined ? undefined : (input ?? 0) + (output ?? 0),
    durationMs: number(metadata.durationMs),
  }
}

/** Returns the id of the message that an answer is for. Others may have written in between. */
export function questionOf({ metadata, parentId }: ChatMessage): string | null {
  return typeof metadata.answerTo === 'string' ? metadata.answerTo : parentId
}
