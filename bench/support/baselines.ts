import { readdir, readFile, writeFile } from 'node:fs/promises'
import type { Comparison, Measurement } from '../harness.ts'
import { toJson } from './report.ts'

/** A benchmark's committed results, measured on a quiet machine. */
export interface Baseline {
  readonly measurements: readonly KnownMeasurement[]
  /** Measurements, by name, whose noise exceeds the regression threshold, with the reason. */
  readonly noisy?: Readonly<
    Record<string, { readonly tolerance: number; readonly because: string }>
  >
}

/** Only ratios are compared, because only they are comparable between machines. */
export type KnownMeasurement = Pick<Measurement, 'name' | 'ratio'> & Partial<Measurement>

/** A ratio that grew by more than this factor counts as a regression. */
const TOLERANCE = 0.2

const folder = new URL('../baselines/', import.meta.url)

/**
 * Compares ratios with the committed ones.
 *
 * @returns one sentence per regression and per measurement without a baseline, by its name.
 * @example
 * const regressions = await checkBaseline('shape-live', comparisons)
 */
export async function checkBaseline(
  benchmark: string,
  comparisons: readonly Comparison[],
): Promise<Map<string, string>> {
  const baseline = await readBaseline(benchmark)
  const regressions = new Map<string, string>()
  for (const { name, ratio } of comparisons) {
    const before = baseline?.measurements.find((known) => known.name === name)?.ratio
    const tolerance = baseline?.noisy?.[name]?.tolerance ?? TOLERANCE
    const most = (before ?? 0) * (1 + tolerance)
    if (before === undefined) {
      regressions.set(name, `${benchmark}: "${name}" has no baseline: run with --update`)
    } else if (ratio > most) {
      regressions.set(
        name,
        `${benchmark}: "${name}" has become slower: ratio ${ratio.toFixed(2)}, it was ${before.toFixed(2)} and may be ${most.toFixed(2)}`,
      )
    }
  }
  return regressions
}

/**
 * Writes the measurements as the new baseline and keeps the notes on noise.
 *
 * @throws RangeError when two measurements have the same name
 */
export async function updateBaseline(
  benchmark: string,
  comparisons: readonly Comparison[],
): Promise<void> {
  const names = comparisons.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice) throw new RangeError(`${benchmark}: two measurements are called "${twice}"`)
  const noisy = (await readBaseline(benchmark))?.noisy
  const baseline: Baseline = { measurements: toJson(comparisons), ...(noisy && { noisy }) }
  await writeFile(fileOf(benchmark), `${JSON.stringify(baseline, null, 2)}\n`)
}

/** Returns all baselines by the name of their benchmark. */
export async function readBaselines(): Promise<Map<string, Baseline>> {
  const names = (await readdir(folder)).map((file) => file.replace('.json', '')).sort()
  const all = names.map(async (name) => [name, await readBaseline(name)] as const)
  return new Map(
    (await Promise.all(all)).filter((entry): entry is [string, Baseline] => !!entry[1]),
  )
}

async function readBaseline(benchmark: string): Promise<Baseline | undefined> {
  const text = await readFile(fileOf(benchmark), 'utf8').catch((error: { code?: string }) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : (JSON.parse(text) as Baseline)
}

function fileOf(benchmark: string): URL {
  return new URL(`${benchmark}.json`, folder)
}
