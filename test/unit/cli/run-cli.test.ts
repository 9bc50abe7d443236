import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { runCli } from '../../../src/cli/run-cli.ts'

const written = { stdout: '', stderr: '' }

beforeEach(() => {
  vi.stubEnv('DATABASE_URL', undefined)
  vi.stubEnv('DEBUG', undefined)
  vi.stubEnv('NO_COLOR', '1')
  for (const name of ['stdout', 'stderr'] as const) {
    written[name] = ''
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += text
      return true
    })
  }
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

describe('a usage error exits with 2 and one line', () => {
  test.each([
    [['nope'], "unknown command 'nope' (see --help)"],
    [['migrate', '--jsn'], "unknown option '--jsn' (Did you mean --json?) (see --help)"],
    [['dev', '--port', '0x1f'], "argument '0x1f' is invalid. It must be a whole number from 1 to"],
    [['dev', '--electric-port', '65536'], 'whole number from 1 to 65535'],
    [['dev', '--chunk-bytes', '-1'], 'argument'],
    [['import'], "required option '--data <dir>' not specified"],
    [['import', '--visibility', 'all'], 'Allowed choices are private, tenant'],
    [['migrate'], 'no database: set DATABASE_URL or pass --database-url'],
  ])('%j', async (args, message) => {
    expect(await runCli(args)).toBe(2)
    expect(written.stderr).toContain(message)
    expect(written.stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(written.stderr).toMatch(/^session-db: /)
    expect(written.stdout).toBe('')
  })

  test('is JSON with --json', async () => {
    expect(await runCli(['migrate', '--json'])).toBe(2)
    expect(JSON.parse(written.stderr)).toEqual({
      error: { code: 'usage', message: expect.stringContaining('no database: ') },
    })
  })

  test('prints the help to stderr without a command', async () => {
    expect(await runCli([])).toBe(2)
    expect(written.stderr).toMatch(/^Usage: session-db/)
    expect(written.stderr).not.toContain('session-db:')
  })
})

test.each([['--help'], ['--version'], ['dev', '--help']])(
  '%s prints to stdout and exits with 0',
  async (...args) => {
    expect(await runCli(args)).toBe(0)
    expect(written.stdout).not.toBe('')
    expect(written.stderr).toBe('')
  },
)

describe('a failed command exits with 1', () => {
  const args = ['migrate', '--database-url', 'postgresql://user:hidden@127.0.0.1:1/none']

  test('and prints one line without the password', async () => {
    expect(await runCli(args)).toBe(1)
    expect(written.stderr).toMatch(
      /^session-db: Nothing listens at 127\.0\.0\.1:1\. .*DATABASE_URL\.\n$/,
    )
    expect(written.stderr).not.toContain('hidden')
  })

  test('and prints the code with --json', async () => {
    expect(await runCli([...args, '--json'])).toBe(1)
    expect(JSON.parse(written.stderr).error.code).toBe('unavailable')
    expect(written.stdout).toBe('')
  })

  test('and prints the stack with DEBUG=session-db', async () => {
    vi.stubEnv('DEBUG', 'session-db')
    expect(await runCli(args)).toBe(1)
    expect(written.stderr).toMatch(/\n\s+at /)
  })
})

test.each([
  ['notaurl', 'DATABASE_URL is not a URL. Write it as postgresql://'],
  ['mysql://ann:secret@host/app', 'this library needs Postgres'],
  ['postgresql://ann:secret@nowhere.invalid/app', 'The host nowhere.invalid cannot be found.'],
])('migrate explains the database URL %j', async (url, message) => {
  expect(await runCli(['migrate', '--database-url', url])).toBe(1)
  expect(written.stderr).toContain(message)
  expect(written.stderr).not.toContain('secret')
})

test('dev refuses NODE_ENV=production and names the alternative', async () => {
  vi.stubEnv('NODE_ENV', 'production')
  expect(await runCli(['dev', '--json'])).toBe(1)
  const { error } = JSON.parse(written.stderr)
  expect(error.code).toBe('invalid')
  expect(error.message).toMatch(/run Postgres and Electric .* set DATABASE_URL and ELECTRIC_URL/)
  expect(written.stdout).toBe('')
})
