import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { updatePerformancePage } from '../scripts/performance/page.ts'
import type { BenchContext, Benchmark, Comparison } from './harness.ts'
import { checkBaseline, updateBaseline } from './support/baselines.ts'
import { formatTable, toJson } from './support/report.ts'

const usage = `Usage: npm run bench -- [name …] [options]
  --json FILE           write the results as JSON
  --check               fail when a ratio is over 20 % worse than its baseline, three runs in a row
  --update              make these results the baselines, and render docs/performance.md
  --rounds N            samples of each side (default 7)
  --seconds N           length of a soak (default 600)
  --cpu-prof DIR        write CPU profiles of the shape server`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    check: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '600' },
    'cpu-prof': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

/** A regression counts only when repeated runs confirm it: a busy moment does not repeat. */
const RUNS_THAT_CONFIRM = 2

if (values.help) console.log(`${usage}\n\nBenchmarks: ${(await knownBenchmarks()).join(', ')}`)
else await main()

async function main(): Promise<void> {
  if (values['cpu-prof']) await mkdir(values['cpu-prof'], { recursive: true })
  const context = {
    rounds: positive('rounds', values.rounds),
    seconds: positive('seconds', values.seconds),
    cpuProfileDirectory: values['cpu-prof'],
    note: (line: string) => console.error(`  ${line}`),
  }
  const all: Comparison[] = []
  const problems: string[] = []
  for (const benchmark of await chosenBenchmarks(positionals)) {
    const start = performance.now()
    try {
      const comparisons = await measure(benchmark, context)
      all.push(...comparisons)
      if (values.check) problems.push(...(await regressionsOf(benchmark, comparisons, context)))
      if (values.update) await updateBaseline(benchmark.name, comparisons)
    } catch (error) {
      // A failing benchmark does not discard the results of the others.
      problems.push(`${benchmark.name}: ${error instanceof Error ? error.stack : error}`)
    }
    console.log(`(${Math.round((performance.now() - start) / 1000)} s)`)
  }
  if (values.json) await writeFile(values.json, `${JSON.stringify(toJson(all), null, 2)}\n`)
  if (values.update) await updatePerformancePage()
  for (const problem of problems) console.error(problem)
  // Streams and processes that a benchmark leaves would keep this one alive.
  process.exit(problems.length > 0 ? 1 : 0)
}

async function measure(benchmark: Benchmark, context: BenchContext): Promise<Comparison[]> {
  console.log(`\n${benchmark.name}`)
  const comparisons = await benchmark.run(context)
  console.log(formatTable(comparisons))
  return comparisons
}

/** Describes measurements that are worse than their baseline in this run and in its repetitions. */
async function regressionsOf(
  benchmark: Benchmark,
  comparisons: readonly Comparison[],
  context: BenchContext,
): Promise<string[]> {
  let regressions = await checkBaseline(benchmark.name, comparisons)
  for (let again = 0; again < RUNS_THAT_CONFIRM && regressions.size > 0; again++) {
    const before = regressions
    const anew = await checkBaseline(benchmark.name, await measure(benchmark, context))
    regressions = new Map([...anew].filter(([name]) => before.has(name)))
  }
  return [...regressions.values()]
}

/** Each file of this folder except this one and the harness is a benchmark. */
async function knownBenchmarks(): Promise<string[]> {
  const files = await readdir(import.meta.dirname)
  return files
    .filter((file) => file.endsWith('.ts') && file !== 'run.ts' && file !== 'harness.ts')
    .map((file) => file.replace(/\.ts$/, ''))
    .sort()
}

async function chosenBenchmarks(names: readonly string[]): Promise<Benchmark[]> {
  const known = await knownBenchmarks()
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new Error(`no benchmark "${unknown.join('", "')}": there are ${known.join(', ')}`)
  }
  const chosen = names.length > 0 ? names : known
  return Promise.all(
    chosen.map(async (name) => {
      const module = (await import(`./${name}.ts`)) as { benchmark: Benchmark }
      return module.benchmark
    }),
  )
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`--${name} must be a whole number above 0, not "${text}"`)
}
