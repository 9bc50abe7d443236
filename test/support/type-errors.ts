import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '../..')

const entry = (name: string) => [join(root, 'src', `${name}.ts`)]
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  jsx: ts.JsxEmit.ReactJSX,
  strict: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  noEmit: true,
  types: [],
  allowImportingTsExtensions: true,
  paths: {
    '@org/session-db': entry('index'),
    ...Object.fromEntries(
      ['server', 'proxy', 's3', 'testing/index', 'dev/index', 'vite', 'devtools', 'metrics'].map(
        (name) => [`@org/session-db/${name.replace('/index', '')}`, entry(name)],
      ),
    ),
  },
}

/**
 * Compiles files that are not on the disk, as an app that has installed this package. Their paths are below the
 * repository, so that imports find its node_modules. Returns a function for the errors in a folder, with file and line.
 */
export function typeErrors(written: ReadonlyMap<string, string>): (folder: string) => string[] {
  const files = new Map([...written, ...routeTrees(written)])
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists, readFile, directoryExists } = host
  const directories = new Set([...files.keys()].flatMap(ancestors))
  host.fileExists = (path) => files.has(path) || fileExists(path)
  host.readFile = (path) => files.get(path) ?? readFile(path)
  host.directoryExists = (path) =>
    directories.has(path) || (directoryExists?.(path) ?? existsSync(path))
  host.getSourceFile = (path, version, ...rest) => {
    const text = files.get(path)
    return text === undefined
      ? getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, text, version)
  }
  const program = ts.createProgram([...files.keys()], options, host)
  return (folder) =>
    [...files.keys()]
      .filter((path) => path.startsWith(`${folder}/`))
      .flatMap((path) => errorsIn(path).map((error) => `${path.slice(folder.length + 1)}:${error}`))

  function errorsIn(path: string): string[] {
    const source = program.getSourceFile(path)
    return [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ].map(({ messageText, start = 0 }) => {
      const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) + 1
      return `${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
  }
}

function ancestors(path: string): string[] {
  const parent = dirname(path)
  return parent === root ? [parent] : [parent, ...ancestors(parent)]
}

/** Stands for the files that TanStack Router generates: a tree beside each `router.tsx`, and the types of all routes. */
function routeTrees(files: ReadonlyMap<string, string>): [string, string][] {
  const routes = [...files.values()].flatMap((code) =>
    [...code.matchAll(/createFileRoute\('([^']+)'\)/g)].map(([, path = '']) => path),
  )
  const fields = [...new Set(routes)].map(
    (path) =>
      `'${path}': { id: '${path}'; path: '${path}'; fullPath: '${path}'; preLoaderRoute: any; parentRoute: any }`,
  )
  const types = `import '@tanstack/react-router'
declare module '@tanstack/react-router' { interface FileRoutesByPath { ${fields.join('; ')} } }`
  const tree = `import { createRootRoute } from '@tanstack/react-router'
export const routeTree = createRootRoute()`
  const routers = [...files.keys()].filter((path) => path.endsWith('/router.tsx'))
  return [
    [join(root, 'route-types.ts'), types],
    ...routers.map((path): [string, string] => [join(dirname(path), 'routeTree.gen.ts'), tree]),
  ]
}
