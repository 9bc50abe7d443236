import { Command, InvalidArgumentError, Option } from 'commander'
import type { DoctorOptions, Finding } from '../../ops/index.ts'
import { colorsFor } from '../colors.ts'
import { databaseUrlOption } from '../database-url.ts'
import { collect } from '../option-parsers.ts'

interface CommandOptions
  extends Pick<
    DoctorOptions,
    | 'databaseUrl'
    | 'electricUrl'
    | 'electricSecret'
    | 'electricRole'
    | 'appRole'
    | 'streamId'
    | 'electricMetricsUrl'
    | 'prometheusUrl'
    | 'directory'
  > {
  readonly proxyUrl?: string
  readonly header?: readonly [string, string][]
  readonly table?: readonly string[]
  readonly strict?: true
  readonly json?: true
}

/** `session-db doctor`: finds what goes wrong in this stack, with the fix of each. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('look for what goes wrong between app, Postgres and Electric; changes nothing')
    .addOption(databaseUrlOption())
    .addOption(new Option('--electric-url <url>', 'base URL of Electric').env('ELECTRIC_URL'))
    .addOption(
      new Option('--electric-secret <secret>', 'its ELECTRIC_SECRET').env('ELECTRIC_SECRET'),
    )
    .option('--proxy-url <url>', 'the app’s shape route, such as https://app.example/api/shapes')
    .option(
      '--header <name: value>',
      'a header that signs a user in there; repeatable',
      collect(parseHeader),
    )
    .option('--electric-role <role>', 'the role Electric connects as (default: electric)')
    .option('--app-role <role>', 'the role the app connects as (default: session_db_app)')
    .option('--stream-id <id>', 'Electric’s ELECTRIC_REPLICATION_STREAM_ID (default: default)')
    .option('--table <table>', 'a table of your own that shapes read; repeatable', collect(String))
    .option('--electric-metrics-url <url>', 'where Electric serves Prometheus metrics')
    .option('--prometheus-url <url>', 'the Prometheus that should scrape them')
    .option('--directory <dir>', 'the app’s directory (default: the working directory)')
    .option('--strict', 'fail on warnings too')
    .option('--json', 'print one JSON line: [{ check, level, message, fix? }]')
    .addHelpText('after', '\nExit code: 0 when nothing is wrong, 1 when something is.')
    .action(run)
}

async function run(options: CommandOptions): Promise<void> {
  const { runDoctor } = await import('../../ops/index.ts')
  const { proxyUrl, header, table, strict, json, ...rest } = options
  const findings = await runDoctor({
    ...rest,
    ...(table !== undefined && { extraTables: table }),
    ...(proxyUrl !== undefined && {
      proxy: { url: proxyUrl, headers: header && Object.fromEntries(header) },
    }),
    ...(json === undefined && { onFindings: await printer() }),
  })
  if (json) process.stdout.write(`${JSON.stringify(findings)}\n`)
  else await printSummary(findings)
  const wrong = strict ? ['error', 'warning'] : ['error']
  if (findings.some(({ level }) => wrong.includes(level))) process.exitCode = 1
}

async function printer(): Promise<(findings: readonly Finding[]) => void> {
  const { formatFinding } = await import('../../ops/index.ts')
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

async function printSummary(findings: readonly Finding[]): Promise<void> {
  const { summarizeFindings } = await import('../../ops/index.ts')
  const { bold } = colorsFor(process.stdout)
  process.stdout.write(`\n${bold(summarizeFindings(findings))}\n`)
}

function parseHeader(text: string): [string, string] {
  const colon = text.indexOf(':')
  if (colon > 0) return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
  throw new InvalidArgumentError('It must be a name and a value: "authorization: Bearer …".')
}
