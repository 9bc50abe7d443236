import { gzipSync } from 'node:zlib'
import type { APIRequestContext } from 'playwright-core'
import { expect, test } from 'vitest'
import { LEGACY_SESSION } from '../support/app.ts'
import type { World } from './world.ts'

/** The scripts that a page needs before it shows its rows. What loads later or on demand is not in them. */
export function firstLoadStories(world: () => World): void {
  test.each([
    { page: 'the list', path: '/', limit: 288 },
    { page: 'a session', path: `/sessions/${LEGACY_SESSION}`, limit: 313 },
  ])('$page loads less than $limit kB of JavaScript, gzip', async ({ path, limit }) => {
    const { context } = await world().open('ann')
    const html = await (await context.request.get(world().demo.url + path)).text()
    const named = html.matchAll(/(?:href|src)="(\/assets\/[^"]+\.js)"/g)
    const files = await bytesOf(
      [...named].map(([, file = '']) => file),
      world().demo.url,
      context.request,
    )
    const list = [...files].sort(([, a], [, b]) => b - a)
    const total = list.reduce((sum, [, bytes]) => sum + bytes, 0)
    expect(total).toBeGreaterThan(150_000)
    const listing = list.map(([file, bytes]) => `${(bytes / 1_000).toFixed(1)} kB ${file}`)
    expect(total, listing.join('\n')).toBeLessThan(limit * 1_000)
  })
}

/** Returns the gzip bytes of these files and of all that they import statically. */
async function bytesOf(
  files: readonly string[],
  url: string,
  request: APIRequestContext,
): Promise<ReadonlyMap<string, number>> {
  const bytes = new Map<string, number>()
  const queue = [...files]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (bytes.has(file)) continue
    const code = await (await request.get(url + file)).text()
    bytes.set(file, gzipSync(code, { level: 9 }).length)
    // A dynamic `import(` has a parenthesis before the name.
    for (const [, name = ''] of code.matchAll(/(?:from|import)\s*["'`]\.\/([^"'`]+\.js)["'`]/g)) {
      queue.push(`/assets/${name}`)
    }
  }
  return bytes
}
