import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createRedaction, redactStream, redactText } from '../../../src/server/uploads/redact.ts'
import { findSecrets } from '../../../src/timeline/secrets.ts'
import { cases, fc } from '../../support/property.ts'

/** Made up, and put together here so that scanners of this repository don't report them. */
const secretOf = (...parts: string[]) => parts.join('')
const letters = (count: number) => 'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0z'.repeat(20).slice(0, count)
const pem = (newline: string) =>
  [
    secretOf('-----BEGIN RSA PRIV', 'ATE KEY-----'),
    ...Array.from({ length: 25 }, (_, line) => letters(64 - (line % 2))),
    secretOf('-----END RSA PRIV', 'ATE KEY-----'),
  ].join(newline)

const SECRETS: readonly [kind: string, secret: string, around?: string][] = [
  ['private-key', pem('\n')],
  ['private-key', pem('\\n')],
  ['private-key', pem('\\\\n')],
  ['aws-key', secretOf('AKIA', 'IOSFODNN7ABCDEFG')],
  ['github-token', secretOf('ghp_', letters(36))],
  ['github-token', secretOf('github_pat_', letters(60))],
  ['gitlab-token', secretOf('glpat-', letters(20))],
  ['slack-token', secretOf('xoxb-', '123456789012-', letters(24))],
  ['api-key', secretOf('sk-ant-api03-', letters(80))],
  ['api-key', secretOf('sk-proj-', letters(48))],
  ['stripe-key', secretOf('sk_live_', letters(24))],
  ['google-key', secretOf('AIza', letters(35))],
  ['npm-token', secretOf('npm_', letters(36))],
  ['jwt', secretOf('eyJ', letters(20), '.eyJ', letters(40), '.', letters(40))],
  ['bearer-token', letters(40), 'Authorization: Bearer §'],
  ['basic-auth', letters(24), '\\"authorization\\": \\"Basic §\\"'],
  ['connection-string', 'pa55word', 'postgres://app:§@db.example:5432/app'],
  ['connection-string', 'hunter2hunter', 'mongodb+srv://root:§@cluster0.mongodb.net'],
  ['connection-string', 'topsecret', 'redis://:§@cache:6379'],
  ['assigned-secret', letters(40), 'aws_secret_access_key = §'],
  ['assigned-secret', letters(20), '{\\"apiKey\\":\\"§\\"}'],
  ['assigned-secret', 'correct-horse-7', "password: '§'"],
  ['assigned-secret', 'correcthorse', 'DB_PASSWORD=§'],
  ['assigned-secret', letters(30), 'export MY_SERVICE_TOKEN="§"'],
]

const plain = [
  'The token count is 12345678 and max_tokens: 4096',
  'password: string; const secret = readSecret(options)',
  'https://example.com/path?x=1#y http://localhost:3000/a@b',
  'const apiKey = process.env.API_KEY',
  'a task-based-approach, disk-usage-2024-report and risk-free',
  'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '-----BEGIN PUBLIC KEY----- and -----BEGIN PRIVATE KEY----- start PEM files',
]

describe('findSecrets', () => {
  test.each([...SECRETS])('masks %s', async (kind, secret, around = 'before § after') => {
    await expectMasked(
      kind,
      secret,
      JSON.stringify({ text: around }).replace('§', () => secret),
    )
    const line = JSON.stringify({ text: `first\n${around.replace('before ', '')}` })
    await expectMasked(
      kind,
      secret,
      line.replace('§', () => secret),
    )
  })

  async function expectMasked(kind: string, secret: string, text: string): Promise<void> {
    const masked = await redactText(findSecrets, text)
    expect(masked.text).not.toContain(secret)
    expect(masked.counts).toEqual({ [kind]: 1 })
    expect(Buffer.byteLength(masked.text)).toBe(Buffer.byteLength(text))
    if (!secret.includes('\n')) expect(isJson(masked.text)).toBe(true)
  }

  test.each(plain)('leaves alone: %s', (text) => {
    expect(findSecrets(text)).toEqual([])
  })

  test('leaves every line of real logs JSON', async () => {
    const folder = join(import.meta.dirname, '../../fixtures/session-logs/claude-code')
    for (const name of readdirSync(folder)) {
      for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
        if (!isJson(line)) continue
        expect(isJson((await redactText(findSecrets, line)).text)).toBe(true)
      }
    }
  })

  test('reads a megabyte of anything in linear time', () => {
    for (const part of ['-----BEGIN PRIVATE KEY-----', 'eyJ', 'a://', 'sk-', 'token=', 'bearer ']) {
      const text = part.repeat(Math.ceil(65_536 / part.length))
      const started = performance.now()
      findSecrets(text)
      expect(performance.now() - started).toBeLessThan(400)
    }
  })
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('a redaction of a stream', () => {
  async function redactChunks(bytes: Buffer, sizes: readonly number[]) {
    const redaction = createRedaction(findSecrets)
    async function* chunks() {
      for (let at = 0, n = 0; at < bytes.length; n++) {
        const size = sizes[n % sizes.length] ?? 1
        yield bytes.subarray(at, at + size)
        at += size
      }
    }
    const parts: Uint8Array[] = []
    for await (const part of redactStream(redaction, chunks())) parts.push(part)
    return { bytes: Buffer.concat(parts), counts: redaction.takeCounts() }
  }

  const piece = fc.oneof(
    fc.constantFrom(...SECRETS.map(([, secret, around = '§']) => around.replace('§', secret))),
    fc.string({ unit: 'binary', maxLength: 50 }),
    fc.integer({ min: 1, max: 40_000 }).map((size) => 'filler text '.repeat(size / 12 + 1)),
    fc.constantFrom('😀é漢', '\n', '"', '\\'),
  )

  test('masks the same however the bytes are chunked, and keeps their number', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        async (pieces, sizes, invalid) => {
          const text = Buffer.from(pieces.join(' '))
          const bytes = invalid ? Buffer.concat([text, Buffer.from([0xff, 0xc3])]) : text
          const whole = await redactChunks(bytes, [bytes.length])
          const chunked = await redactChunks(
            bytes,
            sizes.map((size) => Math.max(size, 500)),
          )
          expect(chunked.bytes.equals(whole.bytes)).toBe(true)
          expect(chunked.counts).toEqual(whole.counts)
          expect(whole.bytes.length).toBe(bytes.length)
          const masked = whole.bytes.toString()
          for (const [, secret] of SECRETS) {
            if (secret.length > 20) expect(masked).not.toContain(secret)
          }
        },
      ),
      { numRuns: cases(60, 2_000) },
    )
  })

  test('masks a secret at every place around the border of a window', async () => {
    const secret = secretOf('ghp_', letters(36))
    for (let before = 65_536 - 60; before < 65_536 + 10; before += 3) {
      const bytes = Buffer.from(`${'x '.repeat(before / 2)}${secret} ${'y '.repeat(50_000)}`)
      const masked = await redactChunks(bytes, [8_192])
      expect(masked.bytes.includes(secret.slice(4))).toBe(false)
      expect(masked.counts).toEqual({ 'github-token': 1 })
    }
  })
})
