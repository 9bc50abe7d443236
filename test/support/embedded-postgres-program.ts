/** Owns an embedded Postgres until it is killed. Prints one JSON line with its URL or the error. */
import { startEmbeddedPostgres } from '../../src/dev/postgres/embedded-postgres.ts'

try {
  const { url, port } = await startEmbeddedPostgres({ directory: process.argv[2] ?? '' })
  console.log(JSON.stringify({ url, port }))
  setInterval(() => {}, 60_000)
} catch (error) {
  const { name, message, code } = error as Error & { code?: string }
  console.log(JSON.stringify({ error: { name, code, message } }))
  process.exitCode = 1
}
