import { defineConfig, mergeConfig } from 'vite'
import app from '../../../examples/start-app/vite.config.ts'

// The example app on the newest TanStack DB, as `overrides` in an app's package.json would give it.
export default mergeConfig(
  app,
  defineConfig({
    resolve: {
      alias: [
        { find: /^@tanstack\/db$/, replacement: 'tanstack-db-newest' },
        { find: /^@tanstack\/react-db$/, replacement: 'tanstack-react-db-newest' },
      ],
    },
  }),
)
