import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { Benchmark, Comparison } from './harness.ts'
import { checkBaseline, updateBaseline } from './support/baselines.ts'
import { formatTable, toJson } from './support/report.ts'

const usage = `Usage: npm run bench -- [name …] [options]
  --json FILE           write the results as JSON
  --check               fail when a ratio is worse than its baseline allows
  --update-baselines    make these ratios the baselines
  --rounds N            samples of each side (default 7)
  --seconds N           length of a soak (default 600)
  --cpu-prof DIR        write CPU profiles of the shape server`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    check: { type: 'boolean', default: false },
    'update-baselines': { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '600' },
    'cpu-prof': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(usage)
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
  const regressions: string[] = []
  for (const benchmark of await chosenBenchmarks(positionals)) {
    console.log(`\n${benchmark.name}`)
    const comparisons = await benchmark.run(context)
    console.log(formatTable(comparisons))
    all.push(...comparisons)
    if (values.check) regressions.push(...(await checkBaseline(benchmark.name, comparisons)))
    if (values['update-baselines']) await updateBaseline(benchmark.name, comparisons)
  }
  if (values.json) await writeFile(values.json, `${JSON.stringify(toJson(all), null, 2)}\n`)
  for (const regression of regressions) console.error(regression)
  if (regressions.length > 0) process.exitCode = 1
}

/** Every file of this folder but this one and the harness is a benchmark. */
async function chosenBenchmarks(names: readonly string[]): Promise<Benchmark[]> {
  const files = await readdir(import.meta.dirname)
  const known = files
    .filter((file) => file.endsWith('.ts') && file !== 'run.ts' && file !== 'harness.ts')
    .map((file) => file.replace(/\.ts$/, ''))
    .sort()
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
