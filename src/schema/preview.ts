import { PREVIEW_LENGTH } from './limits.ts'

/** The start of a message as its thread shows it. The database counts characters, not UTF-16 units. */
export function previewOf(content: string): string {
  return [...content.slice(0, 2 * PREVIEW_LENGTH)].slice(0, PREVIEW_LENGTH).join('')
}
