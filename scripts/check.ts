import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { styleText } from 'node:util'
import { root } from './support/entries.ts'

/**
 * Runs every check except the tests: types, lint, format, and the package as users get it. Checks run
 * in parallel, one per processor, and print their output only when they fail.
 */
interface Check {
  readonly name: string
  readonly command: readonly string[]
  /** The check reads dist/, so it runs after the build. */
  readonly built?: true
}

const checks: readonly Check[] = [
  { name: 'build', command: ['npm', 'run', 'build', '--silent'] },
  { name: 'types', command: ['npx', 'tsc', '--noEmit'] },
  {
    name: 'types with the newest TanStack DB',
    command: ['npx', 'tsc', '-p', 'tsconfig.newest-db.json'],
  },
  { name: 'lint and format', command: ['npx', 'biome', 'check', '.'] },
  { name: 'unused code and dependencies', command: ['npx', 'knip', '--no-progress'] },
  { name: 'licences', command: ['node', 'scripts/licences.ts'] },
  { name: 'performance page', command: ['node', 'scripts/performance.ts'] },
  {
    name: 'types of the example',
    command: ['npm', 'run', 'typecheck', '--workspace', 'examples/start-app', '--silent'],
    built: true,
  },
  { name: 'types as users get them', command: ['npx', 'tsc', '-p', 'test/types'], built: true },
  { name: 'public API', command: ['node', 'scripts/api-report.ts'], built: true },
  { name: 'package (publint)', command: ['npx', 'publint', '--strict'], built: true },
  {
    name: 'package (are the types wrong)',
    command: ['npx', 'attw', '--pack', '.', '--profile', 'node16'],
    built: true,
  },
  { name: 'bundle sizes', command: ['npx', 'size-limit'], built: true },
]

const started = performance.now()
const failed: string[] = []
const [build, ...others] = checks as [Check, ...Check[]]
const lanes = Math.max(2, availableParallelism())

// The build runs in parallel with the checks that do not need it.
const unbuilt = others.filter((check) => !check.built)
const building = run(build)
await Promise.all([building, ...Array.from({ length: lanes - 1 }, () => runAll(unbuilt))])
const needBuild = others.filter((check) => check.built)
if (!failed.includes(build.name)) {
  await Promise.all(Array.from({ length: lanes }, () => runAll(needBuild)))
}

const seconds = Math.round((performance.now() - started) / 1000)
if (failed.length > 0) {
  console.error(`\n${failed.length} of ${checks.length} checks failed: ${failed.join(', ')}`)
  process.exitCode = 1
} else console.log(`\nAll ${checks.length} checks passed in ${seconds} s`)

async function runAll(queue: Check[]): Promise<void> {
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) await run(check)
}

async function run({ name, command }: Check): Promise<void> {
  const start = performance.now()
  const { code, output } = await execute(command)
  const time = `${((performance.now() - start) / 1000).toFixed(1)} s`.padStart(7)
  if (code === 0) {
    console.log(`${styleText('green', '✓')} ${time}  ${name}`)
    return
  }
  failed.push(name)
  console.log(`${styleText('red', '✗')} ${time}  ${name}: ${command.join(' ')}\n\n${output}`)
}

function execute(command: readonly string[]): Promise<{ code: number | null; output: string }> {
  const [program, ...args] = command as [string, ...string[]]
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = (text: Buffer) => {
      output += text
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}
