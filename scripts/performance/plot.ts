import type { KnownMeasurement } from '../../bench/support/baselines.ts'

const WIDTH = 900
const LABELS = 450
const RIGHT = 70
const TOP = 46
const ROW = 30
const BOTTOM = 34

/** Colours of both themes; viewers without theme support show the light one. */
const STYLE = `
    .card { fill: #ffffff; stroke: #d0d7de }
    text { fill: #1f2328; font: 13px system-ui, sans-serif }
    .axis { fill: #59636e; font-size: 12px }
    .grid { stroke: #d8dee4 }
    .one { stroke: #59636e; stroke-width: 1.5 }
    .ours { fill: #0969da }
    .missed { fill: #bc4c00 }
    .goal { stroke: #1a7f37; stroke-width: 3 }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; stroke: #3d444d }
      text { fill: #f0f6fc }
      .axis { fill: #9198a1 }
      .grid { stroke: #2a313c }
      .one { stroke: #9198a1 }
      .ours { fill: #4493f8 }
      .missed { fill: #db6d28 }
      .goal { stroke: #3fb950 }
    }`

/**
 * Draws ratios as an SVG on a logarithmic scale. Each bar starts at 1, the reference, and extends left
 * when ours is smaller and right when it is larger; a green mark is the goal.
 */
export function plotRatios(title: string, measurements: readonly KnownMeasurement[]): string {
  const height = TOP + measurements.length * ROW + BOTTOM
  const ticks = ticksFor(measurements)
  const at = scale(ticks)
  const bottom = height - BOTTOM + 4
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}: ratio to the reference">
  <style>${STYLE}
  </style>
  <rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
  <text x="20" y="27" font-weight="600">${escaped(title)}</text>
  <text class="axis" x="${WIDTH - 20}" y="27" text-anchor="end">ratio to the reference; less is better</text>
${ticks.map((tick) => gridLine(tick, at(tick), bottom)).join('\n')}
${measurements.map((measurement, index) => bar(measurement, TOP + index * ROW, at)).join('\n')}
</svg>
`
}

function bar({ name, ratio, goal, pass }: KnownMeasurement, y: number, at: Scale): string {
  const [from, to] = [at(1), at(ratio)].sort((a, b) => a - b) as [number, number]
  const missed = goal !== null && goal !== undefined && pass === false
  const lines = [
    `  <text x="${LABELS - 14}" y="${y + 19}" text-anchor="end">${escaped(shortened(name))}</text>`,
    `  <rect class="${missed ? 'missed' : 'ours'}" x="${from}" y="${y + 6}" width="${round(Math.max(to - from, 2))}" height="17" rx="2"/>`,
    `  <text x="${round(to + 7)}" y="${y + 19}">${Number(ratio.toPrecision(3))}</text>`,
  ]
  if (goal !== null && goal !== undefined) {
    const x = at(goal)
    lines.push(`  <line class="goal" x1="${x}" y1="${y + 3}" x2="${x}" y2="${y + 26}"/>`)
  }
  return lines.join('\n')
}

function gridLine(tick: number, x: number, bottom: number): string {
  return `  <line class="${tick === 1 ? 'one' : 'grid'}" x1="${x}" y1="${TOP - 4}" x2="${x}" y2="${bottom}"/>
  <text class="axis" x="${x}" y="${bottom + 17}" text-anchor="middle">${tick}</text>`
}

type Scale = (ratio: number) => number

function scale(ticks: readonly number[]): Scale {
  const [first, last] = [ticks[0] as number, ticks.at(-1) as number].map(Math.log) as [
    number,
    number,
  ]
  const width = WIDTH - LABELS - RIGHT
  return (ratio) => round(LABELS + ((Math.log(ratio) - first) / (last - first)) * width)
}

/** Ticks at 1, 2 and 5 times powers of ten, or at powers of ten alone for a wide range. */
function ticksFor(measurements: readonly KnownMeasurement[]): number[] {
  const drawn = measurements.flatMap(({ ratio, goal }) => [ratio, goal ?? 1])
  const [least, most] = [Math.min(0.5, ...drawn), Math.max(2, ...drawn)]
  const fine = [-3, -2, -1, 0, 1, 2, 3].flatMap((power) =>
    [1, 2, 5].map((step) => Number((step * 10 ** power).toPrecision(1))),
  )
  const around = (steps: readonly number[]) => {
    const first = steps.findLastIndex((step) => step <= least)
    const last = steps.findIndex((step) => step >= most)
    return steps.slice(Math.max(first, 0), last < 0 ? undefined : last + 1)
  }
  const ticks = around(fine)
  return ticks.length <= 8 ? ticks : around(fine.filter((step) => /^0?\.?0*1/.test(String(step))))
}

const shortened = (name: string): string => (name.length <= 64 ? name : `${name.slice(0, 63)}…`)
const round = (value: number): number => Math.round(value * 10) / 10

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
