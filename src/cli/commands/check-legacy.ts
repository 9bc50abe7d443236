import { Command } from 'commander'
import { colorsFor } from '../colors.ts'

/** Creates `session-db check-legacy`: fails if code still reads or writes legacy snapshots. */
export function checkLegacyCommand(): Command {
  return new Command('check-legacy')
    .description('fail if source code still uses the JSON files of the old app; for CI')
    .argument('[paths...]', 'source files and directories', ['src'])
    .option('--json', 'print one JSON line: { files, uses: [{ file, line, column, path }] }')
    .action(runCheck)
}

async function runCheck(paths: string[], { json }: { json?: true }): Promise<void> {
  const { checkDirectories, describeLegacyPaths } = await import(
    '../../legacy/guard/legacy-files.ts'
  )
  const { files, uses } = await checkDirectories(paths)
  if (uses.length > 0) process.exitCode = 1
  if (json) {
    process.stdout.write(`${JSON.stringify({ files, uses })}\n`)
    return
  }
  const { green, red } = colorsFor(process.stdout)
  const count = files.toLocaleString('en-US')
  const text =
    uses.length > 0
      ? red(describeLegacyPaths(uses))
      : `${green('ok')} ${count} files checked, none uses the JSON files of the old app`
  process.stdout.write(`${text}\n`)
}
