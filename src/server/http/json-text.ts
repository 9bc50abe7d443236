import { locateJsonError } from './json-error-position.ts'

/** Position of the first syntax error in a JSON text. */
export interface JsonProblem {
  /** Both count from 1. */
  readonly line: number
  readonly column: number
}

/**
 * Parses JSON text without throwing.
 *
 * @example
 * parseJsonText('{"a": nope}') // { ok: false, line: 1, column: 7 }
 */
export function parseJsonText(
  text: string,
): { readonly ok: true; readonly value: unknown } | ({ readonly ok: false } & JsonProblem) {
  try {
    return { ok: true, value: JSON.parse(text) }
  } catch {
    const before = text.slice(0, locateJsonError(text))
    const lineStart = before.lastIndexOf('\n') + 1
    const line = before.split('\n').length
    return { ok: false, line, column: before.length - lineStart + 1 }
  }
}
