/** One measurement of a benchmark, in the form that `--json` writes. */
export interface Measurement {
  readonly name: string
  readonly unit: string
  /** Medians. */
  readonly ours: number
  readonly reference: number
  readonly referenceName: string
  /** `ours / reference`, which is comparable between machines. */
  readonly ratio: number
  /** The largest acceptable ratio; null when there is no goal. */
  readonly goal: number | null
  readonly pass: boolean
}

/** A measurement with its samples. */
export interface Comparison extends Measurement {
  readonly oursSpread: Spread
  readonly referenceSpread: Spread
  /** The goal in words. */
  readonly goalText: string
}

/** The middle half of the samples. */
export interface Spread {
  readonly low: number
  readonly high: number
  readonly count: number
}

/**
 * The goal: a largest ratio, a largest difference from the reference in the unit, or a largest value.
 */
export type Goal =
  | { readonly ratio: number }
  | { readonly over: number }
  | { readonly most: number }

/** Options of a benchmark run. */
export interface BenchContext {
  /** Number of rounds; each measures ours and the reference. */
  readonly rounds: number
  /** Duration of a soak in seconds. */
  readonly seconds: number
  /** Folder for the shape server's CPU profile; undefined for none. */
  readonly cpuProfileDirectory: string | undefined
  /** Prints a line of progress. */
  readonly note: (line: string) => void
}

/** A file of this folder exports one of these as `benchmark`. */
export interface Benchmark {
  /** The name on the command line, the same as the file's. */
  readonly name: string
  run(context: BenchContext): Promise<Comparison[]>
}

/**
 * Compares samples of ours with samples of the reference.
 *
 * @param input.goal omit it when only regressions count
 * @throws RangeError when either side has no samples.
 * @example
 * compare({ name: 'read', unit: 'ms', ours: [2, 3], reference: [1, 2], referenceName: 'SELECT', goal: { ratio: 2 } })
 */
export function compare(input: {
  name: string
  unit: string
  ours: readonly number[]
  reference: readonly number[]
  referenceName: string
  goal?: Goal
}): Comparison {
  const { name, unit, referenceName, goal } = input
  const ours = median(input.ours)
  const reference = median(input.reference)
  const ratio = ours / reference
  const limit = goal && largestRatio(goal, reference)
  return {
    name,
    unit,
    ours,
    reference,
    referenceName,
    ratio,
    goal: limit ?? null,
    pass: limit === undefined || ratio <= limit,
    oursSpread: spreadOf(input.ours),
    referenceSpread: spreadOf(input.reference),
    goalText: goalInWords(goal, unit),
  }
}

function largestRatio(goal: Goal, reference: number): number {
  if ('ratio' in goal) return goal.ratio
  return ('over' in goal ? reference + goal.over : goal.most) / reference
}

/**
 * Measures several things in turn, so that other load on the machine affects all of them equally.
 *
 * @param rounds how often each is measured, after one warm-up that is not counted
 * @param steps each returns one sample.
 * @returns the samples of each step.
 * @example
 * const { ours, reference } = await interleave(5, { ours: timeOurs, reference: timeSelect })
 */
export async function interleave<Name extends string>(
  rounds: number,
  steps: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Record<Name, number[]>> {
  const entries = Object.entries(steps) as [Name, () => Promise<number>][]
  const samples = Object.fromEntries(entries.map(([name]) => [name, []])) as unknown as Record<
    Name,
    number[]
  >
  for (let round = -1; round < rounds; round++) {
    // Every second round runs in reverse order, so that neither side always profits from warm caches.
    const order = round % 2 === 0 ? entries : [...entries].reverse()
    for (const [name, step] of order) {
      const sample = await step()
      if (round >= 0) samples[name].push(sample)
    }
  }
  return samples
}

/** Returns the milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/**
 * Returns the median of the samples.
 *
 * @throws RangeError when there are none.
 */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/** Returns the quantile at `share`, interpolated between two samples. */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError('no samples: the benchmark measured nothing')
  const sorted = [...samples].sort((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] as number
  const above = sorted[Math.ceil(place)] as number
  return below + (above - below) * (place - Math.floor(place))
}

function spreadOf(samples: readonly number[]): Spread {
  return {
    low: quantile(samples, 0.25),
    high: quantile(samples, 0.75),
    count: samples.length,
  }
}

function goalInWords(goal: Goal | undefined, unit: string): string {
  if (!goal) return '-'
  if ('ratio' in goal) return `<= ${goal.ratio}x`
  return 'over' in goal ? `<= +${goal.over} ${unit}` : `<= ${goal.most} ${unit}`
}
