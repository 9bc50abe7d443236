import worker from './worker.ts'

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  // A live poll is silent for 20 s; by default Bun closes a connection after 10 s.
  idleTimeout: 60,
  fetch: (request) => worker.fetch(request, process.env),
})
console.log(server.url.origin)
