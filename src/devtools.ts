import { type InspectedCollection, type Inspection, inspect } from './collections/inspect.ts'
import { SessionDbError } from './errors.ts'

export type { InspectedCollection, Inspection } from './collections/inspect.ts'

const REFRESH_MS = 500

const STYLE = `
  :host { all: initial; position: fixed; z-index: 2147483000; inset: auto 0 0 auto; font: 12px/1.4 ui-monospace, monospace }
  button { margin: 8px; padding: 4px 8px; border: 1px solid #8886; border-radius: 6px; background: #1b1f27; color: #e6e9ef; font: inherit; cursor: pointer }
  section { position: fixed; inset: auto 0 0 0; max-height: 45vh; overflow: auto; padding: 8px 12px 36px; background: #1b1f27; color: #e6e9ef; border-top: 1px solid #8886 }
  button { position: relative; z-index: 1; float: right }
  p { margin: 0 0 8px }
  table { border-collapse: collapse; width: 100% }
  th, td { padding: 2px 10px 2px 0; text-align: left; vertical-align: top; white-space: nowrap }
  td.error { color: #ff9d9d; white-space: normal }
  tr[data-connection="live"] td:nth-child(3) { color: #8fdc9a }
  tr[data-connection="stopped"] td:nth-child(3), tr[data-connection="offline"] td:nth-child(3) { color: #ff9d9d }`

const COLUMNS: Readonly<Record<string, (collection: InspectedCollection) => string>> = {
  shape: ({ shape }) => shape,
  audience: ({ audience }) => audience ?? '',
  connection: ({ status }) => status.connection,
  status: ({ status }) => `${status.status}${status.isUpToDate ? ', up to date' : ''}`,
  rows: ({ rows }) => rows.toLocaleString(),
  handle: ({ status }) => status.handle ?? '',
  offset: ({ status }) => status.offset ?? '',
  synced: ({ status }) => status.lastSyncedAt?.toLocaleTimeString() ?? '',
}

/**
 * Shows a panel with the state of the collections: shapes, audiences, streams, rows, the last errors, pending
 * writes, and live connections. For development; import it on demand, so that it isn't part of the app.
 *
 * @param db the result of `createSessionCollections`
 * @param options.open true shows the panel immediately. Default false: a button in the corner opens it.
 * @returns removes the panel
 * @throws SessionDbError `invalid` for another object
 * @example
 * if (import.meta.env.DEV) {
 *   const { mountDevtools } = await import('@org/session-db/devtools')
 *   mountDevtools(db)
 * }
 */
export function mountDevtools(db: object, options: { readonly open?: boolean } = {}): () => void {
  if (inspect(db) === undefined) {
    throw new SessionDbError(
      'invalid',
      'Pass the result of createSessionCollections to mountDevtools.',
    )
  }
  const host = document.createElement('session-db-devtools')
  const root = host.attachShadow({ mode: 'open' })
  const toggle = element('button', 'session-db')
  const panel = element('section')
  panel.hidden = options.open !== true
  toggle.addEventListener('click', () => {
    panel.hidden = !panel.hidden
    refresh()
  })

  function refresh(): void {
    const state = panel.hidden ? undefined : inspect(db)
    if (state !== undefined) panel.replaceChildren(...render(state))
  }

  root.append(element('style', STYLE), toggle, panel)
  document.body.append(host)
  refresh()
  const timer = setInterval(refresh, REFRESH_MS)
  return () => {
    clearInterval(timer)
    host.remove()
  }
}

function render({ collections, pendingBatches, outbox, live }: Inspection): HTMLElement[] {
  const summary = [
    `${pendingBatches} pending batches`,
    outbox ? `outbox: ${outbox.waiting} waiting, ${outbox.failed} refused` : 'no outbox',
    `live: ${live.connections} connections, ${live.role}`,
  ]
  const head = element('tr')
  head.append(
    ...Object.keys(COLUMNS).map((name) => element('th', name)),
    element('th', 'last error'),
  )
  const table = element('table')
  table.append(head, ...collections.map(renderRow))
  return [element('p', summary.join(' · ')), table]
}

function renderRow(collection: InspectedCollection): HTMLElement {
  const row = element('tr')
  row.dataset.connection = collection.status.connection
  const error = element('td', collection.status.lastError?.message ?? '')
  error.className = 'error'
  row.append(...Object.values(COLUMNS).map((text) => element('td', text(collection))), error)
  return row
}

function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  text = '',
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  made.textContent = text
  return made
}
