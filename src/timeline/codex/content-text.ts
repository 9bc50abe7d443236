import { isRecord } from '../is-record.ts'

/**
 * Joins the readable text of a message's, reasoning's or tool output's content: a string, one block
 * or a list of blocks. Images are named by their type.
 */
export function contentText(content: unknown): string {
  if (!Array.isArray(content)) return blockText(content)
  return content.map(blockText).filter(Boolean).join('\n')
}

function blockText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!isRecord(content)) return ''
  if (typeof content.text === 'string') return content.text
  if (content.type === 'input_image') return '[image]'
  return ''
}

/** Parses a text that should be JSON; anything else stays as it is. */
export function parsedIfJson(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
