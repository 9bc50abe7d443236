import fc from 'fast-check'

/** The run's seed: printed when the run starts, and given again with `SEED=… npm test` to repeat it. */
export const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

fc.configureGlobal({ seed: SEED })

export { fc }

/**
 * Returns how many cases a property test tries.
 *
 * @param usual the count in `npm test`
 * @param deep the count in `npm run test:deep`
 * @example
 * fc.assert(property, { numRuns: cases(300, 10_000) })
 */
export function cases(usual: number, deep: number): number {
  return isDeep ? deep : usual
}

/** True in `npm run test:deep`, which runs the same tests with more cases. */
export const isDeep = process.env.DEEP === '1'
