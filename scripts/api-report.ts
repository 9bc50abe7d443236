import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CompilerState,
  Extractor,
  ExtractorConfig,
  type IConfigFile,
} from '@microsoft/api-extractor'
import { entryNames, root } from './support/entries.ts'

/**
 * What is public, entry by entry, as reports in `api/`. Without `--update` it fails when the built
 * declarations say something else: a change of what is public shows in the change that makes it.
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
  const result = Extractor.invoke(config, {
    localBuild: update,
    compilerState,
    messageCallback: (message) => {
      message.handled = true
      if (message.logLevel === 'error') console.error(message.text)
    },
  })
  if (result.apiReportChanged && !update) stale.push(names[index] as string)
}
const left = (await readdir(reports)).filter((file) => !names.includes(file.replace('.api.md', '')))
if (update) await Promise.all(left.map((file) => rm(join(reports, file))))
else if (left.length > 0) stale.push(...left)

if (stale.length > 0) {
  for (const name of stale) await showFirstDifference(name)
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
      // Names that only one bundled declaration has do not say anything about the reader's side.
      extractorMessageReporting: { default: { logLevel: 'none' as never } },
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

async function showFirstDifference(name: string): Promise<void> {
  const file = `${name.replace('.api.md', '')}.api.md`
  const [before, after] = await Promise.all(
    [reports, built].map(async (folder) =>
      (await readFile(join(folder, file), 'utf8').catch(() => '')).split('\n'),
    ),
  )
  const at = (after ?? []).findIndex((line, index) => line !== before?.[index])
  console.error(`api/${file}:${at + 1}: was "${before?.[at] ?? ''}", is "${after?.[at] ?? ''}"`)
}
