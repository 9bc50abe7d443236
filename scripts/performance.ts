import { stalePerformanceFiles, updatePerformancePage } from './performance/page.ts'

/** Renders `docs/performance.md` from the committed baselines. Without `--update` it fails when the page is stale. */
if (process.argv.includes('--update')) await updatePerformancePage()
else {
  const stale = await stalePerformanceFiles()
  if (stale.length > 0) {
    console.error(`Not what bench/baselines say: ${stale.join(', ')}. Run: npm run performance`)
    process.exitCode = 1
  }
}
