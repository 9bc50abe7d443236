import { createServer, type Plugin } from 'vite'
import { expect, test } from 'vitest'
import { debugPackage } from '../../../src/vite.ts'

/** Replaces the package as Nitro does. */
const nitro: Plugin = {
  name: 'nitro:main',
  config: () => ({ resolve: { alias: [{ find: 'debug', replacement: 'unenv/npm/debug' }] } }),
}

test.each(['client', 'ssr'])('debug is the real package beside Nitro, in %s', async (name) => {
  const server = await createServer({
    configFile: false,
    logLevel: 'silent',
    root: process.cwd(),
    server: { middlewareMode: true, ws: false, watch: null },
    optimizeDeps: { noDiscovery: true },
    plugins: [debugPackage(), nitro],
  })
  try {
    const found = await server.environments[name]?.pluginContainer.resolveId('debug')
    expect(found?.id).toMatch(/node_modules\/debug\/src\/(?:index|node|browser)\.js$/)
    const other = await server.environments[name]?.pluginContainer.resolveId('vite')
    expect(other?.id).not.toContain('debug')
  } finally {
    await server.close()
  }
})

test('an app without the Electric collection is left alone', () => {
  expect(debugPackage().config({ root: '/nowhere' })).toBeUndefined()
})
