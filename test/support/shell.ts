import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'

/** A terminal with a current folder and variables. */
export interface Shell {
  /** The current folder. */
  readonly directory: () => string
  /** Runs commands to their end. Rejects with their output when one fails. */
  run(commands: string): Promise<string>
  /** Starts a long-running command; resolves with the output so far when it matches `ready`. */
  start(command: string, ready: RegExp): Promise<string>
  /** Stops started commands with SIGINT. */
  close(): Promise<void>
}

/** Opens a terminal in a folder, by default with the Node that runs the tests. */
export function openShell(options: {
  readonly directory: string
  readonly env?: Record<string, string>
  readonly node?: string
}): Shell {
  const path = `${dirname(options.node ?? process.execPath)}:${process.env.PATH}`
  // Variables that vitest, npm and CI set are not in a person's terminal. With CI set, programs would
  // also colour their piped output, which patterns would not match.
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_|CI$|FORCE_COLOR$|NODE_ENV$|NODE_OPTIONS$|VITEST|DATABASE_URL$|ELECTRIC_)/.test(name),
  )
  const env = { ...Object.fromEntries(inherited), ...options.env, PATH: path }
  const running: ChildProcess[] = []
  let directory = options.directory

  const bash = (script: string) =>
    spawn('bash', ['-c', script], {
      cwd: directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })

  return {
    directory: () => directory,
    async run(commands) {
      const child = bash(`set -e\n${commands}\necho "::$PWD"`)
      const said = listen(child)
      const [code] = await once(child, 'close')
      if (code !== 0) throw new Error(`Failed (${code}):\n${commands}\n${said()}`)
      directory = /^::(.*)$/m.exec(said())?.[1] ?? directory
      return said()
    },
    async start(command, ready) {
      const child = bash(`exec ${command}`)
      running.push(child)
      const said = listen(child)
      return await new Promise((resolve, reject) => {
        const look = () => {
          if (ready.test(said())) resolve(said())
        }
        child.stdout?.on('data', look)
        child.stderr?.on('data', look)
        child.on('close', () => reject(new Error(`Ended early: ${command}\n${said()}`)))
      })
    },
    async close() {
      await Promise.all(running.reverse().map(interrupt))
    },
  }
}

function listen(child: ChildProcess): () => string {
  let text = ''
  const collect = (chunk: Buffer) => {
    text += chunk
  }
  child.stdout?.on('data', collect)
  child.stderr?.on('data', collect)
  return () => text
}

/** Ctrl-C signals the terminal's whole foreground process group. */
async function interrupt(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const closed = once(child, 'close')
  process.kill(-child.pid, 'SIGINT')
  await closed
}
