import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Memory of a process that reads a long log. */
export interface IngestMemory {
  /** Before reading, with all modules loaded and a short log stored. */
  readonly startMegabytes: number
  /** Peak resident memory. */
  readonly peakMegabytes: number
  readonly events: number
  readonly logMegabytes: number
}

/** Options of the process. */
export interface IngestMemoryArgument {
  readonly databaseUrl: string
  readonly lines: number
  readonly outputLength: number
}

/**
 * Uploads a generated log and derives its timeline in a separate process.
 *
 * @throws when the process fails.
 */
export async function measureIngestMemory(argument: IngestMemoryArgument): Promise<IngestMemory> {
  const program = fileURLToPath(new URL('./ingest-memory.program.ts', import.meta.url))
  const child = fork(program, [JSON.stringify(argument)], { execArgv: ['--expose-gc'] })
  const answer = once(child, 'message')
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`The process that reads the log ended with ${code}.`)
  const [memory] = (await answer) as [IngestMemory]
  return memory
}
