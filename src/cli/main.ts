import { runCli } from './run-cli.ts'

// Exits rather than waits: after a failure a library's timer may still be running.
process.exit(await runCli(process.argv.slice(2)))
