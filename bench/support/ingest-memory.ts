import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a process that reads a long log takes. */
export interface IngestMemory {
  /** Before it reads, with everything loaded and a short log already stored. */
  readonly startMegabytes: number
  /** The most that the system saw it hold, at any moment. */
  readonly peakMegabytes: number
  readonly events: number
  readonly logMegabytes: number
}

/** What the process is told. */
export interface IngestMemoryArgument {
  readonly databaseUrl: string
  readonly lines: number
  readonly outputLength: number
}

/**
 * Uploads a log that is made as it is read and derives its timeline, in a process of its own.
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
