import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** The cost of an import. */
export interface ImportCost {
  readonly ms: number
  /** Time per stage. */
  readonly stages: readonly { readonly stage: string; readonly ms: number }[]
  /** Peak resident memory of the importing process. */
  readonly rssMb: number
}

/**
 * Imports a snapshot in a separate process, so that its memory can be measured.
 *
 * @throws when the process fails or file and database differ
 */
export async function importInProcess(url: string, directory: string): Promise<ImportCost> {
  const program = join(import.meta.dirname, 'import.program.ts')
  const child = spawn(process.execPath, [program, url, directory], {
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
