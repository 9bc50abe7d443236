import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { createShapeServer } from '../../src/dev/shape-server/index.ts'
import { startTestPostgres } from './postgres.ts'

// Starts a Postgres and our shape server as an engine somewhere else, and prints the variables for
// `npm run test:electric`, `npm run bench audience` and `npm run conformance -- --against`, or runs a command with them:
// node test/support/start-engine.ts [--recordings] [-- npm run test:electric]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** The settings that most recordings were made with, instead of the defaults. */
    recordings: { type: 'boolean', default: false },
  },
})

const postgres = await startTestPostgres()
const engine = await createShapeServer({
  database: postgres.url,
  ...(process.env.ELECTRIC_SECRET && { secret: process.env.ELECTRIC_SECRET }),
  ...(values.recordings && {
    longPollMs: 2000,
    allowOrigin: () => true,
    // They were made with Postgres 15.
    generatedColumns: false,
    // The one with a secret was made on an instance that does not allow DELETE.
    allowShapeDeletion: !process.env.ELECTRIC_SECRET,
  }),
})
const { url } = await engine.listen()
const variables = { DATABASE_URL: postgres.url, ELECTRIC_URL: url.replace(/\/$/, '') }
const signal = Promise.race(['SIGINT', 'SIGTERM'].map((name) => once(process, name)))

const [command, ...parameters] = positionals
if (command === undefined) {
  for (const [name, value] of Object.entries(variables)) console.log(`export ${name}='${value}'`)
  await signal
} else {
  const env = { ...process.env, ...variables }
  const child = spawn(command, parameters, { env, stdio: 'inherit' })
  const [code] = await Promise.race([once(child, 'exit'), signal.then(() => [130])])
  child.kill()
  process.exitCode = Number(code ?? 1)
}
await engine.close()
await postgres.stop()
