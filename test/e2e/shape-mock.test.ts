import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Scenario } from './shape-mock/scenario.ts'
import { launchBrowser } from './support/browser.ts'

const root = join(import.meta.dirname, '../..')
/** The two major versions of msw that the package supports; `msw2` is an alias of the oldest. */
const packages = ['msw', 'msw2']
const expected: Scenario = {
  steps: [
    'first page: First',
    'news: News',
    'write: Written',
    'revoked: ',
    'granted: Written',
    'refetched: After a refetch, Written',
    'restored: After a refetch, While away, Written',
    'available again: After a refetch, Written',
    'reset: First',
  ],
  left: [],
}

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser?.close())

async function bundle(entry: string, msw: string, platform: 'browser' | 'node'): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'shape-mock', entry)],
    bundle: true,
    write: false,
    format: 'esm',
    platform,
    alias: { msw },
    ...(platform === 'node' && { packages: 'external' as const }),
  })
  return outputFiles[0]?.text ?? ''
}

/** Serves files; `asked` are the paths that have reached the server. */
async function startSite(
  files: Record<string, string>,
): Promise<{ server: Server; url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const body = files[request.url ?? '']
    const type = request.url === '/' ? 'text/html' : 'text/javascript'
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': type }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked }
}

test.each(packages)('the shape mock works in Chromium behind the worker of %s', async (msw) => {
  const worker = join(root, 'node_modules', msw, 'lib/mockServiceWorker.js')
  const { server, url, asked } = await startSite({
    '/': '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
    '/page.js': await bundle('page.ts', msw, 'browser'),
    '/mockServiceWorker.js': await readFile(worker, 'utf8'),
  })
  const page = await browser.newPage()
  const sent: string[] = []
  page.on('request', (request) => sent.push(new URL(request.url()).pathname))
  try {
    await page.goto(url)
    const told = await page.evaluate(() =>
      (globalThis as unknown as { runScenario(): Promise<Scenario> }).runScenario(),
    )
    expect(told).toEqual(expected)
    // The worker answers all of it, live polls in batches included.
    expect(sent).toContain('/api/shapes/_live')
    expect(asked.filter((path) => path.startsWith('/api'))).toEqual([])
  } finally {
    await page.close()
    server.close()
  }
})

test.each(packages)('the shape mock works in Node behind the server of %s', async (msw) => {
  // Written into the repository so that it resolves its packages.
  const folder = await mkdtemp(join(root, 'node_modules/.shape-mock-'))
  try {
    const program = join(folder, 'program.mjs')
    await writeFile(program, await bundle('node.program.ts', msw, 'node'))
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [program])
    expect(JSON.parse(stdout)).toEqual(expected)
    // msw warns of each request that no handler answers.
    expect(stderr).not.toContain('[MSW]')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
