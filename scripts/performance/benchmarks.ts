/** The question each benchmark answers, printed above its table. */
export const BENCHMARKS: Readonly<Record<string, string>> = {
  import:
    'A large legacy snapshot is imported, with all checks and a report for each record, against a bare `COPY` of the same rows.',
  'import-memory':
    'Peak memory of an import: a legacy snapshot of 200 MB, compared with a tenth of it.',
  ingest:
    'A log of 100,000 events is parsed, its timeline derived and stored, against a `COPY` of the same rows and against `INSERT`s. And what memory a log of 500 MB takes.',
  'live-sharing':
    'From a commit being sent to its live answer, with the shared connections of a browser profile against a connection for each poll.',
  outbox:
    '1,000 messages written without a network are drained, against an outbox that awaits each transaction in turn.',
  proxy: `Shapes through the proxy against the same shapes asked of the engine itself, and against the least proxy Node can be.

*With room* is Node started with \`--initial-old-space-size=128\`, as [operations](operations.md#deploy) says. Of what a proxy
on Node 24 takes for the bytes of a snapshot up to three quarters are V8's: with a small heap, memory outside of it starts a
collection of everything for each 20 MB that pass, until V8 has found that the heap may be larger. With room a proxy takes
half of the processor time that the client needs to read the bytes and throw them away. Electric's client makes objects of
the rows, which is what a user waits for; the other rows only read bytes. What is left over direct is what a third process
takes of two cores: a run of this benchmark differs from the next by a tenth with Electric's client, by a third without.

What a client that waits takes is counted beside others that stay, in processes whose room for new objects is held small.
Of the 16 kB of a client that waits where others do, Node's HTTP server takes nearly all: the engine is asked once for all of
them. Where each client waits at a place of its own it takes 26 kB, of which the connection to the engine takes 6.`,
  scroll:
    'Frames of the example app, in a real browser, while a session of 100,000 events is scrolled from end to end, and with every event loaded, against an empty page that is scrolled.',
  'shape-clients':
    'A thousand live clients of the embedded shape server, against a server that only holds requests and answers them from the replication stream.',
  'shape-live':
    'From a commit being sent to its live answer being read, against the replication stream’s own delay. Embedded shape server.',
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
  streaming: `Fifty answers of 2,000 tokens are streamed at once, 50 tokens a second each, while a viewer holds the session.

The goal for WAL, four times the text, and the one for the delay exclude each other here. In 150 ms an answer grows by 32
bytes, and adding them takes about 400 bytes of WAL (the row 199, its index entry 103, the lock on the message 54, the
commit 46), and again about 300 when the rows give way to the whole text. Only from 800 ms between two writes on it would be
four times the text. Against an \`UPDATE\` of the whole text, as it is usually done, it is a quarter already after 500 tokens.`,
  timeline:
    'A session of 100,000 events is opened, scrolled through, and followed, against loading all of it and against on-demand sync.',
  types:
    'Type check of an app that uses every entry, against the same app with all of the library typed as `any`.',
  writes:
    'Appending a message, with validation, visibility, counters and idempotency, against the same by hand and against a bare `INSERT`.',
}
