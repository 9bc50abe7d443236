import { Command, CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { auditCommand } from './commands/audit.ts'
import { checkLegacyCommand } from './commands/check-legacy.ts'
import { devCommand } from './commands/dev.ts'
import { doctorCommand } from './commands/doctor.ts'
import { eraseUserCommand } from './commands/erase-user.ts'
import { exportCommand } from './commands/export.ts'
import { importCommand } from './commands/import.ts'
import { initCommand } from './commands/init.ts'
import { migrateCommand } from './commands/migrate.ts'
import { rederiveCommand } from './commands/rederive.ts'
import { retentionCommand } from './commands/retention.ts'
import { setupElectricCommand } from './commands/setup-electric.ts'
import { watchCommand } from './commands/watch.ts'
import { reportFailure } from './failure.ts'

const USAGE_ERROR = 2

/**
 * Runs one command of `session-db`.
 *
 * @param args The command line without the program's name.
 * @returns the exit code: 0 for success, 1 for a failed command, 2 for a usage error.
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
    // Without a command, Commander has already written the help to stderr.
    if (error.code !== 'commander.help') reportFailure(error, args)
    return USAGE_ERROR
  }
}

function createProgram(): Command {
  const program = new Command('session-db')
    .description(packageJson.description)
    .version(packageJson.version)
  const commands = [
    initCommand(),
    devCommand(),
    migrateCommand(),
    importCommand(),
    exportCommand(),
    checkLegacyCommand(),
    setupElectricCommand(),
    doctorCommand(),
    retentionCommand(),
    eraseUserCommand(),
    auditCommand(),
    rederiveCommand(),
    watchCommand(),
  ]
  for (const command of commands) program.addCommand(command)
  for (const command of [program, ...program.commands]) {
    command.exitOverride()
    // Errors are thrown instead; reportFailure writes them.
    command.configureOutput({ outputError: () => {} })
  }
  return program
}
