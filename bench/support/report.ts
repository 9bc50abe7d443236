import type { Comparison, Measurement, Spread } from '../harness.ts'

const headings = ['what', 'unit', 'ours', 'reference', 'reference is', 'ratio', 'goal', '']

/**
 * Formats a table of medians with the middle half of the samples in brackets.
 *
 * @example
 * console.log(formatTable(comparisons))
 */
export function formatTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((comparison) => [
    comparison.name,
    comparison.unit,
    withSpread(comparison.ours, comparison.oursSpread),
    withSpread(comparison.reference, comparison.referenceSpread),
    comparison.referenceName,
    comparison.ratio.toFixed(2),
    comparison.goalText,
    comparison.goal === null ? '' : comparison.pass ? 'pass' : 'FAIL',
  ])
  const all = [headings, ...rows]
  const widths = headings.map((_, column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  )
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** The fields of `--json`, rounded to three significant figures. */
export function toJson(comparisons: readonly Comparison[]): Measurement[] {
  return comparisons.map(({ name, unit, ours, reference, referenceName, ratio, goal, pass }) => ({
    name,
    unit,
    ours: rounded(ours),
    reference: rounded(reference),
    referenceName,
    ratio: rounded(ratio),
    goal: goal === null ? null : rounded(goal),
    pass,
  }))
}

function withSpread(value: number, { low, high, count }: Spread): string {
  if (count === 1) return short(value)
  return `${short(value)} (${short(low)}..${short(high)}, n=${count})`
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2)
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
