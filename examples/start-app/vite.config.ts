import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import { tanstackStart } from '@tanstack/react-start/plugin/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  resolve: {
    alias: { '#': fileURLToPath(new URL('./src', import.meta.url)) },
    // One copy of each: two copies of @tanstack/db don't recognise each other's collections.
    dedupe: ['react', 'react-dom', '@tanstack/db', '@tanstack/react-db'],
  },
  environments: {
    // The server loads the library from node_modules, like pg and better-auth.
    ssr: { resolve: { external: ['@org/session-db', 'better-auth', 'pg'] } },
  },
  plugins: [tailwindcss(), tanstackStart(), react()],
})
