import { importLegacySnapshots } from '../../src/legacy/import-legacy-snapshots.ts'

const [database = '', dataDir = ''] = process.argv.slice(2)
const start = performance.now()
const { ok } = await importLegacySnapshots({ database, dataDir, tenantId: 'bench', userId: 'u' })
const ms = performance.now() - start
if (!ok) throw new Error('the import does not agree with its files')
console.log(JSON.stringify({ ms, rssMb: process.resourceUsage().maxRSS / 1024 }))
