/** Where `@electric-sql/client` keeps, across page loads, what it has learned of shapes. */
const STORED = ['electric_expired_shapes', 'electric_up_to_date_tracker']

/**
 * Removes what the Electric client has stored in the page. What it holds in memory it lets nobody
 * clear: an expired handle stays known there, which is harmless as no handle is ever given twice.
 */
export function clearClientStorage(): void {
  const { localStorage } = globalThis as { localStorage?: Storage }
  for (const key of STORED) localStorage?.removeItem(key)
}
