import type { Finding } from '../ops/index.ts'

type Level = Finding['level']
type Mark = (text: string) => string

/** The look of findings. */
export interface FindingStyle {
  /** Line length in characters. */
  readonly columns: number
  /** Colors a text by level. */
  readonly mark: Readonly<Record<Level, Mark>>
  readonly dim: Mark
}

const SIGNS: Record<Level, string> = { ok: '✓', warning: '!', error: '✗', skipped: '–' }
const NAME_WIDTH = 22
const plain: Mark = (text) => text

const PLAIN_STYLE: FindingStyle = {
  columns: 100,
  mark: { ok: plain, warning: plain, error: plain, skipped: plain },
  dim: plain,
}

/**
 * Formats a finding as a row with a sign, the check's name, the message, and the fix below.
 *
 * @example
 * formatFinding({ check: 'wal-level', level: 'ok', message: 'wal_level is logical' })
 * // '✓ wal-level             wal_level is logical'
 */
export function formatFinding(finding: Finding, style: FindingStyle = PLAIN_STYLE): string {
  const { check, level, message, fix } = finding
  const indent = ' '.repeat(NAME_WIDTH + 2)
  const width = Math.max(30, style.columns - indent.length)
  const [first = '', ...rest] = wrap(message, width)
  const fixLines = fix === undefined ? [] : wrap(`→ ${fix}`, width)
  const head = `${style.mark[level](SIGNS[level])} ${check.padEnd(NAME_WIDTH)}`
  const shown = level === 'skipped' ? [first, ...rest].map(style.dim) : [first, ...rest]
  return [
    `${head}${shown[0]}`,
    ...shown.slice(1).map((line) => `${indent}${line}`),
    ...fixLines.map((line) => `${indent}${style.mark[level](line)}`),
  ].join('\n')
}

/**
 * Formats the number of findings of each level.
 *
 * @example
 * summarizeFindings([{ check: 'a', level: 'error', message: '' }]) // '1 problem'
 */
export function summarizeFindings(findings: readonly Finding[]): string {
  const count = (level: Level) => findings.filter((found) => found.level === level).length
  const [errors, warnings, passed, skipped] = [
    count('error'),
    count('warning'),
    count('ok'),
    count('skipped'),
  ]
  return [
    ...(errors > 0 ? [`${errors} ${errors === 1 ? 'problem' : 'problems'}`] : []),
    ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
    ...(passed > 0 ? [`${passed} passed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ].join(', ')
}

/** Breaks a text at spaces. A word that is longer than a line is not broken. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
