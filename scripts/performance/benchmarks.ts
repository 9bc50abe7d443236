/** The question each benchmark answers, printed above its table. */
export const BENCHMARKS: Readonly<Record<string, string>> = {
  audience:
    'A session with 150 viewers: opening it, a message, another session being shared meanwhile, revoking and sharing again, against a shape without access conditions. Also the list of 5,000 sessions for 100 users. Embedded shape server; `ELECTRIC_URL` and `DATABASE_URL` point it at a real engine.',
  capacity:
    'Bytes of a session, an event and a message in Postgres, and of a message in a shape’s log, against its text. Memory of a waiting viewer in the proxy.',
  client:
    'Time and memory of the collections in a browser, against plain TanStack DB collections of the same rows.',
  import:
    'Imports a large legacy snapshot, with all checks and a report for each record, against a bare `COPY` of the same rows.',
  'import-memory': 'Peak memory of an import, against that of an import of a tenth of the size.',
  ingest:
    'Parses a log of 100,000 events, derives and stores its timeline, against a `COPY` of the same rows and against `INSERT`s. Also the memory for a log of 500 MB.',
  'live-sharing':
    'Time from sending a commit to its live answer, with the shared connections of a browser profile against one connection per poll.',
  outbox:
    'Drains 1,000 messages that were written offline, against an outbox that awaits each transaction in turn.',
  page: 'Opens the example app in a real browser with an empty and with a filled cache: the first contentful paint and the first session in the list, against the same page with static data.',
  proxy: `Shapes through the proxy against the same shapes read from the engine directly, and against a minimal Node proxy that only pipes bytes.

*With room* is Node started with \`--initial-old-space-size=128\`, as [operations](operations.md#deploy) recommends. V8 takes
up to three quarters of the processor time of a snapshot through a proxy on Node 24: with a small heap, each 20 MB of
external memory start a full garbage collection, until V8 grows the heap. With a larger heap a proxy takes half of the
processor time that the client needs to read the bytes and discard them. Electric's client also parses the rows, which is
what a user waits for; the other measurements only read bytes. The remaining difference is the cost of a third process on
two cores. Runs of this benchmark differ by a tenth with Electric's client, by a third without.

Memory per waiting client is measured while other clients stay connected, in processes with a small young generation. A
client that waits at the same position of a shape as others takes 16 kB, nearly all of it in Node's HTTP server, because
one request to the engine serves all of them. A client that waits at its own position takes 26 kB, 6 of them for the
connection to the engine.`,
  reload:
    'Time to the first rows after a reload in a real browser, with the rows of the last visit on the device, against reading them from the server.',
  scroll:
    'Frame times of the example app in a real browser while a session of 100,000 events is scrolled, fast from end to end and slowly with every event loaded, against scrolling an empty page.',
  search:
    'Searches the events of a tenant, against a sequential scan with `ILIKE` and a plain `tsvector` index.',
  'shape-clients':
    'A thousand live clients of the embedded shape server, against a server that only holds requests and answers them from the replication stream.',
  'shape-live':
    'Time from sending a commit to reading its live answer, against the delay of the replication stream. Embedded shape server.',
  'shape-snapshot': `The first look at a large table: every page of a shape, against one \`SELECT\` of the same rows. Embedded shape server.

Both sides end with parsed rows, and processor time is what both are made of: 175 ms for the \`SELECT\`, of which the client
takes 95 and Postgres 80. For a known shape the client takes 168, and 130 of them for nothing but \`JSON.parse\` of the 43 MB;
the server, which sends pages that it has, takes 14. A new shape takes 362: the client 195, Postgres 77 and the server 90, half
of them for reading 30 MB from one socket and writing 43 MB to another. On two cores 181 ms are therefore the least, 1.7 times
the \`SELECT\`, and more as the client has nothing to parse before the first page of 10 MB is whole. JSON written by Postgres
itself would cost it twice the time that it would save the server. The first snapshot of a process takes longer than that
wherever a first touch of memory is slow; later ones write to the memory of those that are gone.`,
  'shape-soak':
    'Peak memory of the embedded shape server while clients come and go, against a bound.',
  streaming: `Fifty answers of 2,000 tokens stream in parallel at 50 tokens a second each, while a viewer holds the session.

The goal for WAL, four times the text, and the goal for the delay exclude each other. In 150 ms an answer grows by 32 bytes,
and appending them takes about 400 bytes of WAL (the row 199, its index entry 103, the lock on the message 54, the commit
46), and about 300 more when the rows are replaced by the whole text. Four times the text would need 800 ms between two
writes. An \`UPDATE\` of the whole text, the usual way, takes four times as much after only 500 tokens.`,
  timeline:
    'Opens a session of 100,000 events, scrolls through it and follows it, against loading all of it and against on-demand sync.',
  types:
    'Type-checks an app that uses every entry, against the same app with the library typed as `any`.',
  writes:
    'Appends a message with validation, access, counters and idempotency, against the same written by hand and against a bare `INSERT`.',
}
