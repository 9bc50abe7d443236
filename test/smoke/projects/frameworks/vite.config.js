import { defineConfig } from 'vite'

/** Builds the page of one framework, named by the mode. */
export default defineConfig(async ({ mode: framework }) => ({
  plugins: framework === 'svelte' ? [(await import('@sveltejs/vite-plugin-svelte')).svelte()] : [],
  resolve: {
    alias: { '#framework': new URL(`./${framework}.js`, import.meta.url).pathname },
    dedupe: ['@tanstack/db'],
  },
  build: {
    outDir: `dist/${framework}`,
    lib: { entry: 'main.js', formats: ['es'], fileName: () => 'app.js' },
  },
  define: { 'process.env.NODE_ENV': '"production"' },
}))
