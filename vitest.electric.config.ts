import { defineConfig } from 'vitest/config'

/**
 * The whole data path on an Electric and a Postgres that run already (DATABASE_URL, ELECTRIC_URL): store, proxy,
 * shape streams, collections, the guides, what a tenant may see, and the apps in a browser.
 */
export default defineConfig({
  test: {
    globalSetup: ['test/support/require-electric.ts'],
    env: { TEST_ENGINE: 'given' },
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Two slow cores run everything at the same time, so conditions may take a while to hold.
    expect: { poll: { timeout: 60_000 } },
    // All files share the database, and those of the browser empty it first.
    fileParallelism: false,
    projects: [
      {
        extends: true,
        test: {
          name: 'data',
          include: [
            'test/integration/collections/*.test.{ts,tsx}',
            'test/integration/docs/{chat-list,live-connections,message-streaming,readme,threads}.test.ts',
            'test/integration/docs/recipes/{ai-sdk,bearer-token}.test.ts',
            'test/integration/proxy/shape-proxy-electric.test.ts',
            'test/integration/server/read-rows.test.ts',
            'test/integration/shapes/own-shapes.test.ts',
            'test/integration/upload/guide.test.ts',
            'test/security/tenancy.test.ts',
          ],
          // These need a database and no engine, or a Postgres that they may damage.
          exclude: ['test/integration/collections/{providers,xid-epoch}.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['test/e2e/**/*.test.ts'],
          // The guides start the embedded stack themselves, and the mock needs no engine.
          exclude: ['test/e2e/{newcomer,origin,shape-mock}.test.ts'],
          globalSetup: ['test/e2e/support/build-app.ts'],
        },
      },
    ],
  },
})
