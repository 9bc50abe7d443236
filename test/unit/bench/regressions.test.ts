import { readdir } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { type Comparison, compare } from '../../../bench/harness.ts'
import { checkBaseline, readBaselines, updateBaseline } from '../../../bench/support/baselines.ts'
import { BENCHMARKS } from '../../../scripts/performance/benchmarks.ts'
import { plotRatios } from '../../../scripts/performance/plot.ts'

const baselines = await readBaselines()

/** What a run would find in which every ratio is so many times what is committed. */
function runWith(benchmark: string, factor: number): Comparison[] {
  const known = baselines.get(benchmark)?.measurements ?? []
  return known.map(({ name, ratio }) =>
    compare({ name, unit: 'ms', ours: [ratio * factor], reference: [1], referenceName: 'one' }),
  )
}

describe.each([...baselines])('%s', (benchmark, { measurements, noisy = {} }) => {
  test('a ratio over 20 % worse is a regression, but where the baseline says why not', async () => {
    expect([...(await checkBaseline(benchmark, runWith(benchmark, 1.19))).keys()]).toEqual([])
    const worse = [...(await checkBaseline(benchmark, runWith(benchmark, 1.21))).keys()]
    const steady = measurements.map(({ name }) => name).filter((name) => !(name in noisy))
    expect(worse).toEqual(steady)
    for (const { because } of Object.values(noisy)) expect(because.length).toBeGreaterThan(40)
  })

  test('noise is only claimed of what is measured', () => {
    const names = measurements.map(({ name }) => name)
    expect(Object.keys(noisy).filter((name) => !names.includes(name))).toEqual([])
  })
})

test('the page says of every benchmark what it asks', async () => {
  const files = await readdir(new URL('../../../bench/', import.meta.url))
  const names = files.filter((file) => file.endsWith('.ts')).map((file) => file.replace('.ts', ''))
  const benchmarks = names.filter((name) => name !== 'run' && name !== 'harness').sort()
  expect(Object.keys(BENCHMARKS).sort()).toEqual(benchmarks)
})

test('what has no baseline is no pass', async () => {
  const [anew] = runWith('writes', 1)
  const found = await checkBaseline('writes', [{ ...(anew as Comparison), name: 'another' }])
  expect([...found.keys()]).toEqual(['another'])
})

test('a baseline in which a name stands twice is not written', async () => {
  const [one] = runWith('writes', 1)
  const both = [one as Comparison, one as Comparison]
  await expect(updateBaseline('none', both)).rejects.toThrow('two measurements are called')
})

test('a plot marks goals, and says less and more than the reference to either side of 1', () => {
  const svg = plotRatios('a < b', [
    { name: 'less', ratio: 0.5, goal: 0.8, pass: true },
    { name: 'more', ratio: 4, goal: 2, pass: false },
  ])
  const bars = [...svg.matchAll(/class="(ours|missed)" x="([\d.]+)"[^>]* width="([\d.]+)"/g)]
  expect(bars.map(([, kind]) => kind)).toEqual(['ours', 'missed'])
  const [less, more] = bars.map(([, , x, width]) => ({
    from: Number(x),
    to: Number(x) + Number(width),
  }))
  expect(less?.to).toBeCloseTo(more?.from ?? 0, 0)
  expect(svg.match(/class="goal"/g)).toHaveLength(2)
  expect(svg).toContain('a &lt; b')
})
