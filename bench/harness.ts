/** What one benchmark found about one thing, in the form `--json` writes. */
export interface Measurement {
  readonly name: string
  readonly unit: string
  /** Medians. */
  readonly ours: number
  readonly reference: number
  readonly referenceName: string
  /** `ours / reference`: what is comparable between machines. */
  readonly ratio: number
  /** The largest ratio that is good enough; null where none is set. */
  readonly goal: number | null
  readonly pass: boolean
}

/** A measurement with all it was made of. */
export interface Comparison extends Measurement {
  readonly oursSpread: Spread
  readonly referenceSpread: Spread
  /** The goal in words. */
  readonly goalText: string
}

/** Where the middle half of the samples lies. */
export interface Spread {
  readonly low: number
  readonly high: number
  readonly count: number
}

/**
 * The most that is good enough: a ratio; or, in the unit, so much more than the reference, or so much
 * whatever the reference takes.
 */
export type Goal =
  | { readonly ratio: number }
  | { readonly over: number }
  | { readonly most: number }

/** What a benchmark is run with. */
export interface BenchContext {
  /** How often ours and the reference are measured, in turn. */
  readonly rounds: number
  /** How long a soak lasts, in seconds. */
  readonly seconds: number
  /** Where the shape server's CPU profile goes; undefined for none. */
  readonly cpuProfileDirectory: string | undefined
  /** Prints a line of progress. */
  readonly note: (line: string) => void
}

/** A file of this folder exports one of these as `benchmark`. */
export interface Benchmark {
  /** The name on the command line, which is the file's, too. */
  readonly name: string
  run(context: BenchContext): Promise<Comparison[]>
}

/**
 * Compares samples of ours with samples of the reference.
 *
 * @param input.goal - left out where only regressions count.
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
 * Measures several things in turn, so that what else the machine does hits all of them alike.
 *
 * @param rounds - how often each is measured, after one warm-up that does not count.
 * @param steps - each returns one sample.
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
    // Every other round goes backwards: neither side always profits from the other's warm caches.
    const order = round % 2 === 0 ? entries : [...entries].reverse()
    for (const [name, step] of order) {
      const sample = await step()
      if (round >= 0) samples[name].push(sample)
    }
  }
  return samples
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/**
 * The middle of the samples.
 *
 * @throws RangeError when there are none.
 */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/** The sample below which `share` of them lie, between two samples by proportion. */
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
