import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  interleave,
} from './harness.ts'

const root = resolve(import.meta.dirname, '..')
const modules = join(root, 'node_modules')

/**
 * The cost of the library's types for an app: `tsc` over an app that uses every entry, against the same
 * app with the library typed as `any`. Both load the same peers.
 */
export const benchmark: Benchmark = { name: 'types', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  const directory = await mkdtemp(join(tmpdir(), 'session-db-types-'))
  try {
    const [ours, reference] = await Promise.all([
      makeApp(join(directory, 'ours'), { typed: true }),
      makeApp(join(directory, 'reference'), { typed: false }),
    ])
    const samples = await interleave(context.rounds, {
      ours: () => check(ours),
      reference: () => check(reference),
    })
    return [
      compare({
        name: 'type check of an app that uses everything',
        unit: 'ms of CPU',
        ...samples,
        referenceName: 'the same app, the library as any',
      }),
    ]
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** A separate project, so that TypeScript finds the library in node_modules, as a user's does. */
async function makeApp(directory: string, { typed }: { typed: boolean }): Promise<string> {
  await cp(join(import.meta.dirname, 'support/types-app'), directory, { recursive: true })
  await mkdir(join(directory, 'node_modules/@org'), { recursive: true })
  for (const name of (await readdir(modules)).filter((other) => !/^(\.|@org$)/.test(other))) {
    await symlink(join(modules, name), join(directory, 'node_modules', name))
  }
  if (typed) await symlink(root, join(directory, 'node_modules/@org/session-db'))
  else await writeFile(join(directory, 'library.d.ts'), await untypedLibrary(directory))
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'],
    module: 'ESNext',
    moduleResolution: 'Bundler',
    allowImportingTsExtensions: true,
    types: ['node'],
    strict: true,
    noImplicitAny: typed,
    exactOptionalPropertyTypes: true,
    isolatedModules: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    noEmit: true,
  }
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  return directory
}

/** Declares everything that the app imports from the library as `any`. */
async function untypedLibrary(directory: string): Promise<string> {
  const app = await readFile(join(directory, 'app.ts'), 'utf8')
  const imports = app.matchAll(/^import \{([^}]*)\} from '(@org\/session-db[^']*)'/gm)
  const modules = Array.from(imports, ([, names = '', path]) => {
    const declarations = names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map(declareAsAny)
    return `declare module '${path}' {\n${declarations.join('\n')}\n}\n`
  })
  return modules.join('')
}

function declareAsAny(name: string): string {
  if (name.startsWith('type ')) return `  export ${name} = any`
  if (/^[A-Z]/.test(name)) return `  export class ${name} { [member: string]: any }`
  return `  export const ${name}: any`
}

/**
 * Returns processor time, which other load on the machine changes little.
 *
 * @throws with the compiler's output when the app does not compile
 */
async function check(directory: string): Promise<number> {
  const preload = join(import.meta.dirname, 'support/cpu-time.preload.ts')
  const tsc = join(modules, 'typescript/bin/tsc')
  const args = ['--import', preload, tsc, '-p', directory, '--pretty', 'false']
  const checking = promisify(execFile)(process.execPath, args)
  const { stderr } = await checking.catch(({ stdout }: { stdout: string }) => {
    throw new Error(`the app does not compile:\n${stdout}`)
  })
  return Number(stderr)
}
