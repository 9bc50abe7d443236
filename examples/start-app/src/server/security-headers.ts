import { randomBytes } from 'node:crypto'
import { createMiddleware } from '@tanstack/react-start'

/**
 * Adds security headers to every response. Pages run only the app's own scripts: inline ones carry the
 * nonce that the router gets (src/router.tsx). Styles may be inline, because components set them.
 */
export const securityHeaders = createMiddleware().server(async ({ next }) => {
  const nonce = randomBytes(16).toString('base64')
  const result = await next({ context: { nonce } })
  const { headers } = result.response
  headers.set('x-content-type-options', 'nosniff')
  headers.set('referrer-policy', 'strict-origin-when-cross-origin')
  headers.set('cross-origin-opener-policy', 'same-origin')
  // Uploaded files have a stricter policy.
  if (!headers.has('content-security-policy')) {
    headers.set('content-security-policy', policy(nonce))
  }
  return result
})

function policy(nonce: string): string {
  const directives = [
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "object-src 'none'",
    // Vite's scripts for hot reloading are inline and without a nonce.
    ...(import.meta.env.DEV
      ? []
      : [
          "default-src 'self'",
          `script-src 'self' 'nonce-${nonce}'`,
          "style-src 'self' 'unsafe-inline'",
          // `blob:` for pictures that are about to be attached.
          "img-src 'self' data: blob:",
        ]),
  ]
  return directives.join('; ')
}
