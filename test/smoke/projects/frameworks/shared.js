import { createSessionCollections } from '@org/session-db'

const row = (id, title) => ({ key: id, value: { id, title }, headers: { operation: 'insert' } })
const upToDate = { headers: { control: 'up-to-date', global_last_seen_lsn: '1' } }

/** Creates collections over a shape with one session; writes stay pending. */
export function openCollections() {
  return createSessionCollections({
    electricUrl: 'http://app.test/api/shapes',
    writeAdapter: () => new Promise(() => {}),
    async fetchClient(input) {
      const { pathname, searchParams } = new URL(input)
      if (pathname.endsWith('/_live')) return new Response(null, { status: 404 })
      if (searchParams.get('live') === 'true') return new Promise(() => {})
      return Response.json([row('s1', 'From the server'), upToDate], {
        headers: {
          'electric-handle': 'h1',
          'electric-offset': '0_0',
          'electric-schema': '{"id":{"type":"text"},"title":{"type":"text"}}',
          'electric-up-to-date': '',
        },
      })
    },
  })
}
