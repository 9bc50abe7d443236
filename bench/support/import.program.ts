import { importLegacySnapshots } from '../../src/legacy/import/import-legacy-snapshots.ts'

const [database = '', directory = ''] = process.argv.slice(2)
const start = performance.now()
const began = new Map<string, number>()
const { ok } = await importLegacySnapshots({
  ...{ database, directory, tenantId: 'bench', userId: 'u' },
  onProgress({ stage }) {
    if (!began.has(stage)) began.set(stage, performance.now())
  },
})
const ms = performance.now() - start
if (!ok) throw new Error('the import does not agree with its files')
const entries = [...began]
const stages = entries.flatMap(([stage, at], n) => {
  const next = entries[n + 1]
  return next === undefined ? [] : [{ stage, ms: next[1] - at }]
})
console.log(JSON.stringify({ ms, stages, rssMb: process.resourceUsage().maxRSS / 1024 }))
