import type { Finding, FindingLevel } from '../finding.ts'

/** Marks a text, for example with a terminal's colour. */
export type Mark = (text: string) => string

/** How findings look; a plain text unless a terminal gives colours. */
export interface FindingStyle {
  /** Characters in a line. */
  readonly columns: number
  readonly mark: Readonly<Record<FindingLevel, Mark>>
  readonly dim: Mark
}

const SIGNS: Record<FindingLevel, string> = { ok: '✓', warning: '!', error: '✗', skipped: '–' }
const NAME_WIDTH = 22
const plain: Mark = (text) => text

/** Plain text, 100 characters wide. */
const plainStyle: FindingStyle = {
  columns: 100,
  mark: { ok: plain, warning: plain, error: plain, skipped: plain },
  dim: plain,
}

/**
 * One finding as a row: a sign, the check's name, what was seen, and below it what to do.
 *
 * @example
 * formatFinding({ check: 'wal-level', level: 'ok', message: 'wal_level is logical' })
 * // '✓ wal-level             wal_level is logical'
 */
export function formatFinding(finding: Finding, style: FindingStyle = plainStyle): string {
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
 * The last line: how many findings of each kind.
 *
 * @example
 * summarizeFindings([{ check: 'a', level: 'error', message: '' }]) // '1 problem'
 */
export function summarizeFindings(findings: readonly Finding[]): string {
  const count = (level: FindingLevel) => findings.filter((found) => found.level === level).length
  const [errors, warnings, fine, skipped] = [
    count('error'),
    count('warning'),
    count('ok'),
    count('skipped'),
  ]
  return [
    ...(errors > 0 ? [`${errors} ${errors === 1 ? 'problem' : 'problems'}`] : []),
    ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
    ...(fine > 0 ? [`${fine} fine`] : []),
    ...(skipped > 0 ? [`${skipped} not looked at`] : []),
  ].join(', ')
}

/** Breaks a text at spaces; a word that is longer than a line stays whole. */
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
