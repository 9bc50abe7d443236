import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Returns the heap in MB that 50,000 messages take, by the library or in a plain collection. */
export async function measureClientMemory(side: 'ours' | 'reference'): Promise<number> {
  const program = fileURLToPath(new URL('./client-memory.program.ts', import.meta.url))
  const child = fork(program, [side], { execArgv: [...process.execArgv, '--expose-gc'] })
  const answer = once(child, 'message')
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`The process that holds the messages ended with ${code}.`)
  const [megabytes] = (await answer) as [number]
  return megabytes
}
