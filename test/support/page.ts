import { Window } from 'happy-dom'

/**
 * Gives the process a page for React, and leaves `fetch` and streams as Node has them: the environment of Vitest would
 * replace these for the servers in the same process too. Import it before React.
 */
const window = new Window({ url: 'http://app.test/' })
const names = [
  'document',
  'window',
  'Node',
  'Element',
  'HTMLElement',
  'HTMLInputElement',
  'HTMLIFrameElement',
  'MutationObserver',
  'ResizeObserver',
] as const

for (const name of names) {
  const value = name === 'window' ? window : window[name]
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
}
