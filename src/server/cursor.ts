import type * as z from 'zod/mini'
import { SessionDbError } from '../errors.ts'

/** Encodes the position after a page as an opaque cursor. */
export function encodeCursor(position: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

/** @throws SessionDbError `invalid` when the text is not a cursor with such a position. */
export function decodeCursor<Position>(schema: z.ZodMiniType<Position>, cursor: string): Position {
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')))
  } catch {
    throw new SessionDbError('invalid', 'cursor: Expected the nextCursor of a previous page.')
  }
}
