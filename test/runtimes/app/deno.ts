import worker from './worker.ts'

Deno.serve(
  {
    hostname: '127.0.0.1',
    port: 0,
    onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`),
  },
  (request) => worker.fetch(request, Deno.env.toObject()),
)
