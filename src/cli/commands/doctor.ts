import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { DoctorOptions, Finding } from '../../ops/index.ts'
import type { ShapeRegistry } from '../../shapes/define-shape.ts'
import { colorsFor } from '../colors.ts'
import { formatFinding, summarizeFindings } from '../format-findings.ts'
import { collect, databaseUrlOption } from '../options.ts'

interface CommandOptions
  extends Pick<
    DoctorOptions,
    | 'electricUrl'
    | 'electricSecret'
    | 'electricRole'
    | 'appRole'
    | 'streamId'
    | 'electricMetricsUrl'
    | 'prometheusUrl'
    | 'directory'
  > {
  readonly databaseUrl?: string
  readonly proxyUrl?: string
  readonly header?: readonly [string, string][]
  readonly table?: readonly string[]
  readonly shapes?: string
  readonly strict?: true
  readonly json?: true
}

/** Creates `session-db doctor`: finds known problems and prints the fix of each. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('find problems between app, Postgres and Electric; changes nothing')
    .addOption(databaseUrlOption())
    .addOption(new Option('--electric-url <url>', 'Electric’s base URL').env('ELECTRIC_URL'))
    .addOption(
      new Option('--electric-secret <secret>', 'Electric’s ELECTRIC_SECRET').env('ELECTRIC_SECRET'),
    )
    .option('--proxy-url <url>', 'the app’s shape route, such as https://app.example/api/shapes')
    .option(
      '--header <name: value>',
      'header of a signed-in user for the shape route; repeatable',
      collect(parseHeader),
    )
    .option('--electric-role <role>', 'Electric’s role (default: electric)')
    .option('--app-role <role>', 'the app’s role (default: session_db_app)')
    .option('--stream-id <id>', 'Electric’s ELECTRIC_REPLICATION_STREAM_ID (default: default)')
    .option('--table <table>', 'your own table that shapes read; repeatable', collect(String))
    .option('--shapes <file>', 'module that exports the app’s shapes, as `shapes` or default')
    .option('--electric-metrics-url <url>', 'Electric’s Prometheus metrics')
    .option('--prometheus-url <url>', 'the Prometheus that scrapes them')
    .option(
      '--directory <dir>',
      'the app’s directory, whose packages are checked (default: the working directory)',
    )
    .option('--strict', 'fail on warnings too')
    .option('--json', 'print one JSON line: [{ check, level, message, fix? }]')
    .addHelpText(
      'after',
      '\nExit code: 0 without problems, 1 with problems, 2 if there was nothing to check.',
    )
    .action(run)
}

async function run(options: CommandOptions, command: Command): Promise<void> {
  const { databaseUrl, proxyUrl, header, table, shapes, strict, json, ...rest } = options
  if (!databaseUrl && !rest.electricUrl && !proxyUrl && !shapes && !rest.directory) {
    return command.error(
      'nothing to check: set DATABASE_URL and ELECTRIC_URL, or pass --proxy-url, --shapes or --directory; `session-db dev` prints both variables',
    )
  }
  const { runDoctor } = await import('../../ops/index.ts')
  const findings = await runDoctor({
    ...rest,
    database: databaseUrl,
    ...(table !== undefined && { extraTables: table }),
    ...(shapes !== undefined && { shapes: await loadShapes(shapes, command) }),
    ...(proxyUrl !== undefined && {
      proxy: { url: proxyUrl, headers: header && Object.fromEntries(header) },
    }),
    ...(json === undefined && { onFindings: printer() }),
  })
  if (json) process.stdout.write(`${JSON.stringify(findings)}\n`)
  else {
    const { bold } = colorsFor(process.stdout)
    process.stdout.write(`\n${bold(summarizeFindings(findings))}\n`)
  }
  const failing = strict ? ['error', 'warning'] : ['error']
  if (findings.some(({ level }) => failing.includes(level))) process.exitCode = 1
}

/** Imports the app's shapes. Node runs modules in TypeScript from version 22.18 on. */
async function loadShapes(file: string, command: Command): Promise<ShapeRegistry<never>> {
  const url = pathToFileURL(resolve(file)).href
  const loaded: { shapes?: unknown; default?: unknown } = await import(url).catch((error) =>
    command.error(`cannot load ${file}: ${error instanceof Error ? error.message : error}`),
  )
  const shapes = loaded.shapes ?? loaded.default
  if (isRegistry(shapes)) return shapes
  return command.error(`${file} exports no shapes: export { name: defineShape(…) } as \`shapes\``)
}

function isRegistry(value: unknown): value is ShapeRegistry<never> {
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).every((shape) => typeof shape?.rows === 'function')
}

function printer(): (findings: readonly Finding[]) => void {
  const { green, yellow, red, dim } = colorsFor(process.stdout)
  const style = {
    columns: Math.min(process.stdout.columns ?? 100, 140),
    mark: { ok: green, warning: yellow, error: red, skipped: dim },
    dim,
  }
  return (findings) => {
    for (const finding of findings) process.stdout.write(`${formatFinding(finding, style)}\n`)
  }
}

function parseHeader(text: string): [string, string] {
  const colon = text.indexOf(':')
  if (colon > 0) return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
  throw new InvalidArgumentError('Write a name and a value, for example "authorization: Bearer …".')
}
