import { resolve } from 'node:path'
import { Command, Option } from 'commander'
import { colorsFor } from '../colors.ts'
import type { InitResult } from '../init/init-app.ts'
import { FRAMEWORKS, type Framework } from '../init/templates.ts'

/** Creates `session-db init`: writes the files that connect an app. */
export function initCommand(): Command {
  return new Command('init')
    .description(
      'add the server, the routes and the collections to a TanStack Start, Next.js or Vite + Hono app',
    )
    .option('--directory <dir>', 'folder of the app', '.')
    .addOption(
      new Option('--framework <name>', 'default: what package.json shows').choices(FRAMEWORKS),
    )
    .option('--dry-run', 'write nothing')
    .option('--json', 'print one JSON line: { framework, written, kept, next }')
    .addHelpText('after', '\nExisting files stay unchanged.')
    .action(runInit)
}

interface Options {
  readonly directory: string
  readonly framework?: Framework
  readonly dryRun?: true
  readonly json?: true
}

async function runInit({ json, directory, ...options }: Options): Promise<void> {
  const { initApp } = await import('../init/init-app.ts')
  const result = await initApp({ ...options, directory: resolve(directory) })
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : describe(result, options.dryRun))
}

function describe({ written, kept, next }: InitResult, dryRun = false): string {
  const { bold, dim, green } = colorsFor(process.stdout)
  return [
    ...written.map((path) => `${green(dryRun ? 'would write' : 'wrote')} ${path}`),
    ...kept.map((path) => `${dim('kept')} ${path} ${dim('(it exists)')}`),
    '',
    bold('Next:'),
    ...next.map((step, index) => `${index + 1}. ${step}`),
    '',
  ].join('\n')
}
