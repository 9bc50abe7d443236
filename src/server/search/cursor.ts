import * as z from 'zod/mini'
import { SessionDbError } from '../../writes/errors.ts'

const cursorSchema = z.tuple([z.number(), z.string(), z.int()])

/** The hit that a page ended with. */
export interface SearchPosition {
  readonly rank: number
  readonly sessionId: string
  readonly seq: number
}

/** A position as a text for the caller to send back. */
export function encodeCursor({ rank, sessionId, seq }: SearchPosition): string {
  return Buffer.from(JSON.stringify([rank, sessionId, seq])).toString('base64url')
}

/** @throws SessionDbError `invalid` when the text is no cursor. */
export function decodeCursor(cursor: string): SearchPosition {
  try {
    const text = Buffer.from(cursor, 'base64url').toString('utf8')
    const [rank, sessionId, seq] = cursorSchema.parse(JSON.parse(text))
    return { rank, sessionId, seq }
  } catch {
    throw new SessionDbError('invalid', 'cursor: is not the nextCursor of a search.')
  }
}
