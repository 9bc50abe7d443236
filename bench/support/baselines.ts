import { readFile, writeFile } from 'node:fs/promises'
import type { Comparison } from '../harness.ts'

/** What a benchmark found when somebody last looked: ratios, for times differ between machines. */
export interface Baseline {
  /** How much larger a ratio may get before it counts as a regression: 0.3 for 30 %. */
  readonly tolerance: number
  /** By name of the measurement. */
  readonly ratios: Readonly<Record<string, number>>
}

const defaultTolerance = 0.4

/**
 * Compares ratios with the committed ones.
 *
 * @returns one sentence per regression, and per measurement without a baseline.
 * @example
 * const regressions = await checkBaseline('shape-live', comparisons)
 */
export async function checkBaseline(
  benchmark: string,
  comparisons: readonly Comparison[],
): Promise<string[]> {
  const baseline = await readBaseline(benchmark)
  if (!baseline) return [`${benchmark}: no baseline; run with --update-baselines and commit it`]
  return comparisons.flatMap(({ name, ratio }) => {
    const before = baseline.ratios[name]
    if (before === undefined) return [`${benchmark}: "${name}" has no baseline`]
    const most = before * (1 + baseline.tolerance)
    if (ratio <= most) return []
    return [
      `${benchmark}: "${name}" has become slower: ratio ${ratio.toFixed(2)}, it was ${before.toFixed(2)} and may be ${most.toFixed(2)}`,
    ]
  })
}

/** Writes the ratios as the new baseline; the tolerance stays. */
export async function updateBaseline(
  benchmark: string,
  comparisons: readonly Comparison[],
): Promise<void> {
  const tolerance = (await readBaseline(benchmark))?.tolerance ?? defaultTolerance
  const ratios = Object.fromEntries(
    comparisons.map(({ name, ratio }) => [name, Math.round(ratio * 100) / 100]),
  )
  await writeFile(fileOf(benchmark), `${JSON.stringify({ tolerance, ratios }, null, 2)}\n`)
}

async function readBaseline(benchmark: string): Promise<Baseline | undefined> {
  const text = await readFile(fileOf(benchmark), 'utf8').catch((error: { code?: string }) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : (JSON.parse(text) as Baseline)
}

function fileOf(benchmark: string): URL {
  return new URL(`../baselines/${benchmark}.json`, import.meta.url)
}
