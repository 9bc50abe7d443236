import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CompilerState,
  Extractor,
  ExtractorConfig,
  type IConfigFile,
} from '@microsoft/api-extractor'
import { entryNames, root } from './support/entries.ts'

/**
 * Writes the public API of each entry as a report in `api/`. Without `--update` it fails when the built
 * declarations differ, so that a pull request shows each change of the public API.
 */
const update = process.argv.includes('--update')
const reports = join(root, 'api')
const built = join(root, 'node_modules/.cache/api-reports')

await mkdir(reports, { recursive: true })
await rm(built, { recursive: true, force: true })
await mkdir(built, { recursive: true })
const names = await entryNames()
const configs = names.map(configOf)
const [first, ...others] = configs.map((config) => config.mainEntryPointFilePath)
const compilerState = CompilerState.create(configs[0] as ExtractorConfig, {
  additionalEntryPoints: [first as string, ...others],
})

const stale: string[] = []
for (const [index, config] of configs.entries()) {
  Extractor.invoke(config, {
    compilerState,
    messageCallback: (message) => {
      message.handled = true
      if (message.logLevel === 'error') console.error(message.text)
    },
  })
  const file = `${names[index]}.api.md`
  if (await saysTheSame(file)) continue
  if (update) await copyFile(join(built, file), join(reports, file))
  else stale.push(file)
}
const left = (await readdir(reports)).filter((file) => !names.includes(file.replace('.api.md', '')))
if (update) await Promise.all(left.map((file) => rm(join(reports, file))))
else if (left.length > 0) stale.push(...left)

if (stale.length > 0) {
  for (const file of stale) await showDifference(file)
  console.error(
    'What is public has changed. If that is meant: npm run api, look at the difference in api/, add a changeset.',
  )
  process.exitCode = 1
}

function configOf(name: string): ExtractorConfig {
  const configObject: IConfigFile = {
    projectFolder: root,
    mainEntryPointFilePath: join(root, 'dist', `${name}.d.ts`),
    compiler: { tsconfigFilePath: join(root, 'tsconfig.json') },
    apiReport: {
      enabled: true,
      reportFileName: name,
      reportFolder: reports,
      reportTempFolder: built,
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: {
      extractorMessageReporting: {
        default: { logLevel: 'none' as never },
        // A type that public signatures use and the entry does not export: the report names each.
        'ae-forgotten-export': { logLevel: 'warning' as never, addToApiReportFile: true },
      },
      tsdocMessageReporting: { default: { logLevel: 'none' as never } },
    },
    newlineKind: 'lf',
  }
  return ExtractorConfig.prepare({
    configObject,
    configObjectFullPath: join(root, 'api-extractor.json'),
    packageJsonFullPath: join(root, 'package.json'),
  })
}

/** TypeScript prints members of inferred types and unions in an order that differs between builds. */
async function saysTheSame(file: string): Promise<boolean> {
  const [before, after] = await bothReports(file)
  return before.toSorted().join('\n') === after.toSorted().join('\n')
}

function withSortedUnions(report: string): string {
  return report.replaceAll(/"[^"\n]*"(?: \| "[^"\n]*")+/g, (union) =>
    union.split(' | ').toSorted().join(' | '),
  )
}

async function bothReports(file: string): Promise<[before: string[], after: string[]]> {
  const linesIn = async (folder: string) =>
    withSortedUnions(await readFile(join(folder, file), 'utf8').catch(() => '')).split('\n')
  return [await linesIn(reports), await linesIn(built)]
}

async function showDifference(file: string): Promise<void> {
  const [before, after] = await bothReports(file)
  const [gone, added] = [lacking(before, after), lacking(after, before)]
  for (const line of gone) console.error(`api/${file}: - ${line}`)
  for (const line of added) console.error(`api/${file}: + ${line}`)
}

/** Returns the lines that `lines` has more often than `other`. */
function lacking(lines: readonly string[], other: readonly string[]): string[] {
  const left = [...other]
  return lines.filter((line) => {
    const at = left.indexOf(line)
    if (at < 0) return true
    left.splice(at, 1)
    return false
  })
}
