import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Baseline,
  type KnownMeasurement,
  readBaselines,
} from '../../bench/support/baselines.ts'
import { root } from '../support/entries.ts'
import { BENCHMARKS } from './benchmarks.ts'
import { plotRatios } from './plot.ts'

const page = 'docs/performance.md'
const plots = 'docs/performance'

/** Writes the page and its plots from the committed baselines. */
export async function updatePerformancePage(): Promise<void> {
  const files = await renderFiles()
  await rm(join(root, plots), { recursive: true, force: true })
  await mkdir(join(root, plots), { recursive: true })
  for (const [file, text] of files) await writeFile(join(root, file), text)
}

/** Returns the names of files that differ from what the baselines give. */
export async function stalePerformanceFiles(): Promise<string[]> {
  const files = await renderFiles()
  const there = (await readdir(join(root, plots)).catch(() => [])).map((name) => `${plots}/${name}`)
  const stale = there.filter((file) => !files.has(file))
  for (const [file, text] of files) {
    const now = await readFile(join(root, file), 'utf8').catch(() => undefined)
    if (now !== text) stale.push(file)
  }
  return stale
}

async function renderFiles(): Promise<Map<string, string>> {
  const baselines = await readBaselines()
  const files = new Map<string, string>()
  const sections = [...baselines].map(([name, baseline]) => {
    files.set(`${plots}/${name}.svg`, plotRatios(name, baseline.measurements))
    return section(name, baseline)
  })
  return files.set(page, `${introduction}\n${sections.join('\n')}`)
}

const introduction = `# Performance

Rendered from \`bench/baselines\` by \`npm run bench -- --update\`; do not edit it.

Each number is a **ratio**: ours divided by a named reference that was measured in the same run, in turn with ours, so
that other load on the machine slowed both. Below 1 is faster, or less, than the reference. Times differ between machines,
ratios far less. Both columns of figures are medians, measured on a small machine: the benchmark, Postgres, the shape server
and the clients share two cores.

\`npm run bench -- NAME\` repeats one; \`--check\` fails when a ratio is more than 20 % worse than here in three runs
in a row. A ✗ marks a goal that is not met.
`

function section(name: string, { measurements, noisy = {} }: Baseline): string {
  const rows = measurements.map((measurement) => row(measurement).join(' | '))
  const notes = Object.entries(noisy).map(
    ([what, { tolerance, because }]) =>
      `- *${what}* may differ by ${Math.round(tolerance * 100)} %: ${because}`,
  )
  return [
    `## ${name}`,
    '',
    BENCHMARKS[name] ?? '',
    '',
    `![Ratios of ${name} to their references; the table below has the figures](performance/${name}.svg)`,
    '',
    '| what | ours | reference | reference is | ratio | goal | |',
    '| --- | ---: | ---: | --- | ---: | ---: | --- |',
    ...rows.map((cells) => `| ${cells} |`),
    '',
    ...(notes.length > 0 ? [...notes, ''] : []),
  ].join('\n')
}

function row({ name, unit, ours, reference, referenceName, ratio, goal, pass }: KnownMeasurement) {
  const withUnit = (value: number | undefined) =>
    value === undefined ? '–' : `${figure(value)} ${unit ?? ''}`.trim()
  const hasGoal = goal !== null && goal !== undefined
  return [
    name,
    withUnit(ours),
    withUnit(reference),
    referenceName ?? '–',
    figure(ratio),
    hasGoal ? `≤ ${figure(goal)}` : '–',
    hasGoal ? (pass ? '✓' : '✗') : '',
  ]
}

/** Rounds to three significant figures: a measurement is no more precise. */
function figure(value: number): string {
  return value >= 100
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)))
}
