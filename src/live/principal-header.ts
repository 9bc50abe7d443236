/** On every answer of the proxy: whom the server took the request to come from, as a digest. */
export const PRINCIPAL_HEADER = 'session-db-principal'
