import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { browserGuard, portableGuard } from '../../../tsup.guards.ts'

const bundle = (entry: string, plugin: typeof portableGuard) =>
  build({
    stdin: { contents: `import '${entry}'`, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    platform: 'neutral',
    external: ['zod', '@electric-sql/client'],
    logLevel: 'silent',
    plugins: [plugin],
  })

describe('what is built for any runtime', () => {
  test.each(['node:fs', 'fs', 'node:crypto', 'pg', 'pg/lib/client.js', 'kysely', 'fs/promises'])(
    'must not import %s',
    async (name) => {
      await expect(bundle(name, portableGuard)).rejects.toThrow(
        `Portable code must not import "${name}"`,
      )
    },
  )

  test('the proxy is, the server is not', async () => {
    await expect(bundle('../../../src/proxy.ts', portableGuard)).resolves.toBeDefined()
    await expect(bundle('../../../src/server.ts', portableGuard)).rejects.toThrow('must not import')
  })
})

test('what is built for browsers must not hold code of the server', async () => {
  await expect(bundle('../../../src/proxy.ts', browserGuard)).rejects.toThrow(
    'must not import server code',
  )
})
