import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')
const BESIDE = ['@tanstack/db', '@tanstack/electric-db-collection', '@electric-sql/client']

/** Returns the gzip bytes of an app that imports these names, zod included and the peers beside it not. */
async function bundle(names: readonly string[]): Promise<number> {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { ${names} } from './dist/index.js'\nglobalThis.used = [${names}]`,
      resolveDir: root,
    },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    external: BESIDE,
    logLevel: 'error',
  })
  return gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
}

test('a chat loads at most 42 kB beside TanStack DB and Electric’s client, zod included', async () => {
  expect(await bundle(['createSessionCollections'])).toBeLessThan(42_000)
})

test('a page that only validates batches loads at most 13.5 kB', async () => {
  expect(await bundle(['parseWriteBatch'])).toBeLessThan(13_500)
})

test('long timelines, uploads, message streaming, the outbox and adapters are loaded only by apps that import them', async () => {
  const chat = await bundle(['createSessionCollections'])
  for (const name of [
    'timelineView',
    'uploadSession',
    'streamMessage',
    'createOutbox',
    'createChatTransport',
    'createThreadHistoryAdapter',
    'createThreadListAdapter',
  ]) {
    expect(await bundle(['createSessionCollections', name]), name).toBeGreaterThan(chat + 600)
  }
})

test.each(['development', 'production'])(
  'NODE_ENV %s is decided by the app’s bundler',
  async (value) => {
    const { outputFiles } = await build({
      stdin: {
        contents: `import { createSessionCollections } from './dist/index.js'\nglobalThis.used = createSessionCollections`,
        resolveDir: root,
      },
      bundle: true,
      minify: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      external: BESIDE,
      define: { 'process.env.NODE_ENV': JSON.stringify(value) },
      logLevel: 'error',
    })
    const code = outputFiles[0]?.text ?? ''
    expect(code).not.toContain('process.env')
    expect(code).toContain('Handle such errors with the option onError')
  },
)
