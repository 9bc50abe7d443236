import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test('does not spend hundreds of megabytes on optimising the parser of where clauses', async () => {
  const program = join(import.meta.dirname, 'parser-memory.program.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [program])
  expect(Number(stdout) / 1024).toBeLessThan(200)
})
