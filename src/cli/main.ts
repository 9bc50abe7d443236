import { runCli } from './run-cli.ts'

const code = await runCli(process.argv.slice(2))
// Writes to a pipe are asynchronous: exiting now would truncate a long report.
await Promise.all([process.stdout, process.stderr].map(flushed))
// A library's timer can keep the process alive after a failure.
process.exit(code)

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}
