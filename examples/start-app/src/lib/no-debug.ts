/**
 * Stands in for the package `debug`, with which @tanstack/electric-db-collection logs when a developer turns it on:
 * 2 kB less to load.
 */
export default { debug: () => () => {} }
