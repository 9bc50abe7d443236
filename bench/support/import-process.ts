import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** What an import took. */
export interface ImportCost {
  readonly ms: number
  /** What each stage took of it. */
  readonly stages: readonly { readonly stage: string; readonly ms: number }[]
  /** The most memory that the system saw the importing process hold. */
  readonly rssMb: number
}

/**
 * Imports a snapshot in a process of its own, so that its memory is its own.
 *
 * @throws when the process fails, or file and database do not agree.
 */
export async function importInProcess(url: string, dataDir: string): Promise<ImportCost> {
  const program = join(import.meta.dirname, 'import.program.ts')
  const child = spawn(process.execPath, [program, url, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`The importing process ended with ${code}.`)
  return JSON.parse(text)
}
