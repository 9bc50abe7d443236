import { build } from 'esbuild'

/** A page that only runs the script at `/page.js`. */
export const SCRIPT_PAGE = `<!doctype html><meta charset="utf-8"><title>Test</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>`

/** Bundles the script of a page. */
export async function bundleScript(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    ...(process.env.NEWEST_DB === '1' && { alias: { '@tanstack/db': 'tanstack-db-newest' } }),
    define: { 'process.env.NODE_ENV': '"production"' },
    write: false,
  })
  return outputFiles[0]?.text ?? ''
}

export function typed(body: string, type: string): Response {
  return new Response(body, { headers: { 'content-type': `${type}; charset=utf-8` } })
}
