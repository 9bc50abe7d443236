import { runCli } from './run-cli.ts'

const code = await runCli(process.argv.slice(2))
// To a pipe, a long report is written in the background: an exit would cut it off.
await Promise.all([process.stdout, process.stderr].map(written))
// Exits rather than waits: after a failure a library's timer may still be running.
process.exit(code)

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}
