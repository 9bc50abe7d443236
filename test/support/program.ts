import { spawn } from 'node:child_process'
import { once } from 'node:events'

export type Program = {
  readonly pid: number
  /** The output so far. */
  readonly output: { stdout: string; stderr: string }
  /** Resolves with the first complete line of stdout; rejects when the program ends without one. */
  readonly firstLine: Promise<string>
  /** Resolves when the program has ended and all its output was read. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Sends a signal to the program, or to its whole process group, unless it has ended. */
  kill(signal: NodeJS.Signals, target?: 'program' | 'group'): void
}

/** Runs a Node program in a new process group and collects its output. */
export function runProgram(
  file: string,
  args: string[],
  options: {
    env?: NodeJS.ProcessEnv
    user?: { uid: number; gid: number }
    cwd?: string
  } = {},
): Program {
  const child = spawn(process.execPath, [file, ...args], {
    detached: true,
    env: { ...process.env, ...options.env },
    ...options.user,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const pid = child.pid as number
  const output = { stdout: '', stderr: '' }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      output.stdout += chunk
      const [line, rest] = output.stdout.split('\n', 2)
      if (rest !== undefined) resolve(line as string)
    })
    child.stderr.on('data', (chunk) => {
      output.stderr += chunk
    })
    void ended.then(() => reject(new Error(`ended without a line of output: ${output.stderr}`)))
  })
  firstLine.catch(() => {})
  return {
    pid,
    output,
    firstLine,
    ended,
    kill: (signal, target = 'program') => {
      if (child.exitCode !== null || child.signalCode !== null) return
      try {
        process.kill(target === 'group' ? -pid : pid, signal)
      } catch (error) {
        // It has ended, and its exit event is yet to come.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    },
  }
}
