import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createNodeFetch } from '../../../src/server/proxy/node-fetch.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { runProgram } from '../../support/program.ts'
import { answerSnapshot } from './fake-electric.ts'

const PROGRAM = join(import.meta.dirname, 'proxy-process.program.ts')
const SNAPSHOT = '[{"headers":{"control":"snapshot-end"}}]'
const directories = temporaryDirectories()
/** A request to the engine; `gone` when its client disconnected before the response. */
const seen: { path: string; left: Promise<unknown> }[] = []
let certificate: string
let engine: Server
let port: number

/** Starts an engine behind TLS with a self-signed certificate for 127.0.0.1. */
beforeAll(async () => {
  const directory = await directories.create()
  certificate = join(directory, 'certificate.pem')
  const key = join(directory, 'key.pem')
  const made = ['-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', key, '-out', certificate]
  const name = ['-subj', '/CN=engine', '-addext', 'subjectAltName=IP:127.0.0.1']
  await promisify(execFile)('openssl', ['req', '-x509', ...made, ...name])
  engine = createServer(
    { key: await readFile(key), cert: await readFile(certificate) },
    (request, response) => {
      const path = request.url ?? ''
      seen.push({ path, left: once(response, 'close') })
      if (path.includes('live=true')) response.writeHead(200).write('[')
      else answerSnapshot({} as never, response)
    },
  )
  engine.listen(0, '127.0.0.1')
  await once(engine, 'listening')
  port = (engine.address() as AddressInfo).port
})

afterAll(async () => {
  engine.closeAllConnections()
  engine.close()
  await directories.remove()
})

/** Starts the proxy in a process that trusts the engine's certificate, or doesn't. */
async function startProxy(host: string, { trusting }: { trusting: boolean }) {
  const env = trusting ? { NODE_EXTRA_CA_CERTS: certificate } : {}
  const program = runProgram(PROGRAM, [`https://${host}:${port}`], { env })
  onTestFinished(async () => {
    program.kill('SIGKILL')
    await program.ended
  })
  return { url: `${await program.firstLine}/api/shapes/sessions`, program }
}

test('streams the response of an engine behind TLS', async () => {
  const { url } = await startProxy('127.0.0.1', { trusting: true })
  const response = await fetch(`${url}?offset=-1`)
  expect([response.status, await response.text()]).toEqual([200, SNAPSHOT])
  expect(seen.at(-1)?.path).toContain('secret=the-secret')
})

test('aborts the request over TLS when the client disconnects', async () => {
  const { url } = await startProxy('127.0.0.1', { trusting: true })
  const client = new AbortController()
  const response = await fetch(`${url}?offset=0_0&handle=1-1&live=true`, { signal: client.signal })
  const reader = response.body?.getReader()
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('[')
  client.abort()
  await expect(reader?.read()).rejects.toThrow(/abort/i)
  await seen.at(-1)?.left
})

test.each([
  ['that nobody vouches for', '127.0.0.1', false, /DEPTH_ZERO_SELF_SIGNED_CERT|self-signed/],
  ['of another name', 'localhost', true, /ALTNAME|altnames/],
])('returns 502 without details for a certificate %s', async (_, host, trusting, reason) => {
  const asked = seen.length
  const { url, program } = await startProxy(host, { trusting })
  const response = await fetch(`${url}?offset=-1`)
  const body = await response.text()
  expect(response.status).toBe(502)
  expect(response.headers.get('retry-after')).not.toBeNull()
  expect(JSON.parse(body)).toMatchObject({ error: { code: 'unavailable' } })
  const told = body + JSON.stringify([...response.headers])
  for (const secret of ['the-secret', String(port), 'snapshot-end', 'certificate', 'electric-']) {
    expect(told.replace(/"access-control-expose-headers","[^"]*"/, '')).not.toContain(secret)
  }
  expect(seen).toHaveLength(asked)
  await expect.poll(() => program.output.stderr).toMatch(reason)
  expect(program.output.stderr).not.toContain('the-secret')
})

test('does not trust a self-signed certificate by default', async () => {
  await expect(createNodeFetch()(`https://127.0.0.1:${port}/`)).rejects.toMatchObject({
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  })
})
