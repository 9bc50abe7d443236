import { Command, CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { checkLegacyCommand } from './commands/check-legacy.ts'
import { devCommand } from './commands/dev.ts'
import { doctorCommand } from './commands/doctor.ts'
import { exportCommand } from './commands/export.ts'
import { importCommand } from './commands/import.ts'
import { migrateCommand } from './commands/migrate.ts'
import { retentionCommand } from './commands/retention.ts'
import { setupElectricCommand } from './commands/setup-electric.ts'
import { reportFailure } from './failure.ts'

const usageFailure = 2

/**
 * Runs one command of `session-db`.
 *
 * @param args - What follows the program's name on the command line.
 * @returns The exit code: 0 when all went well, 1 when the command failed, 2 for bad usage.
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = createProgram()
  try {
    await program.parseAsync(args, { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0 // --help, --version
    if (!(error instanceof CommanderError)) {
      reportFailure(error, args)
      return 1
    }
    // Called without a command: the help has been written, to stderr.
    if (error.code !== 'commander.help') reportFailure(error, args)
    return usageFailure
  }
}

function createProgram(): Command {
  const program = new Command('session-db')
    .description(packageJson.description)
    .version(packageJson.version)
  const commands = [
    devCommand(),
    migrateCommand(),
    importCommand(),
    exportCommand(),
    checkLegacyCommand(),
    setupElectricCommand(),
    doctorCommand(),
    retentionCommand(),
  ]
  for (const command of commands) program.addCommand(command)
  for (const command of [program, ...program.commands]) {
    command.exitOverride()
    // Errors are thrown, and written by reportFailure in one way.
    command.configureOutput({ outputError: () => {} })
  }
  return program
}
