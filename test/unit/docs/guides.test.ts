import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')

/**
 * Where the TypeScript examples of each guide run: every block marked `ts` or `tsx` is in one of these tests,
 * word for word. A guide with such blocks has to be listed.
 */
const TESTS_OF: Readonly<Record<string, readonly string[]>> = {
  '../README.md': ['test/integration/docs/readme.test.ts'],
  'access.md': ['test/integration/docs/access.test.ts'],
  'chat-list.md': ['test/integration/docs/chat-list.test.ts'],
  'concepts.md': ['test/integration/docs/concepts.test.ts'],
  'cutover.md': ['test/integration/legacy/cutover-guide.test.ts'],
  'live-connections.md': ['test/integration/docs/live-connections.test.ts'],
  'own-shapes.md': ['test/integration/shapes/own-shapes.test.ts'],
  'message-streaming.md': ['test/integration/docs/message-streaming.test.ts'],
  'offline.md': ['test/integration/docs/offline.test.ts'],
  'operations.md': ['test/integration/docs/operations.test.ts'],
  'recipes/ai-sdk.md': [
    'test/integration/docs/recipes/ai-sdk.test.ts',
    'test/integration/docs/recipes/ai-sdk/chat.server.ts',
  ],
  'recipes/assistant-ui.md': ['test/integration/collections/assistant-ui.test.tsx'],
  'recipes/bearer-token.md': ['test/integration/docs/recipes/bearer-token.test.ts'],
  'recipes/drizzle-and-prisma.md': ['test/integration/docs/recipes/drizzle.test.ts'],
  'recipes/own-access-tables.md': ['test/integration/docs/recipes/own-access-tables.test.ts'],
  'recipes/server-rendering.md': ['test/integration/docs/recipes/server-rendering.test.ts'],
  'servers.md': ['express', 'fastify', 'handlers', 'hono', 'next', 'bun'].map(
    (name) => `test/smoke/projects/servers/${name}.ts`,
  ),
  'session-logs.md': ['test/integration/docs/session-logs.test.ts'],
  'shape-proxy.md': [
    'test/runtimes/app/principal.ts',
    'test/runtimes/app/shapes.ts',
    'test/runtimes/app/worker.ts',
  ],
  'testing.md': ['test/unit/testing/app-test.test.ts', 'test/unit/testing/react.test.tsx'],
  'writes.md': [
    'test/integration/docs/native-mutations.test.ts',
    'test/integration/docs/writes.test.ts',
  ],
  'threads.md': [
    'test/integration/docs/threads.test.ts',
    'test/integration/upload/attachments.test.ts',
  ],
  'uploads.md': ['test/integration/upload/guide.test.ts'],
}

/** test/e2e/newcomer.test.ts and `npm run smoke` follow this page block by block. */
const FOLLOWED = ['getting-started.md']

/** `npm run smoke -- origin` writes the files of this page, which are blocks below their paths. */
const FILES_ARE_WRITTEN = ['cutover.md']

/**
 * Values that a reader's app has and a test makes in its own way: the lines that set them up are compiled by
 * `pasted.test.ts`, and not expected in the tests.
 */
const SET_UP =
  /^(?:declare .*|const (?:ann|api|ben|database|databaseUrl|db|electricUrl|engineUrl|identity|issuer|keys|lines|outbox|path|pool|principal|uploadUrl|url|writeAdapter)\b.*[^{([>])\n/gm

/** Removes what is for the reader's file: its name, imports, exports and values of the app. */
function withoutSetUp(code: string): string {
  return code
    .replaceAll(/(?:^|(?<=\s))\/\/ .*$/gm, '')
    .replaceAll(/^import [^']*'[^']*'\n/gm, '')
    .replaceAll(/^export (?!default)/gm, '')
    .replaceAll(SET_UP, '')
}

/** Next's files in recipes/server-rendering.md: compiled, and not run. */
const isOfNext = (code: string) => /^\/\/ app\//.test(code)

/** Normalizes code: removes comments and formatting. */
function bare(code: string): string {
  return code
    .replaceAll(/(?:^|(?<=\s))\/\/ .*$/gm, '')
    .replaceAll(/^export (?!default)/gm, '')
    .replaceAll(/[\s;]+/g, ' ')
    .replaceAll(/,? ([)}\]])/g, '$1')
    .replaceAll(/([({[]) /g, '$1')
    .trim()
}

async function examplesIn(guide: string): Promise<string[]> {
  const whole = await readFile(join(root, 'docs', guide), 'utf8')
  const text = FILES_ARE_WRITTEN.includes(guide)
    ? whole.replaceAll(/^`[^`\n]+`:\n\n```.*?^```$/gms, '')
    : whole
  return [...text.matchAll(/^```tsx?\n(.*?)^```/gms)]
    .filter(([, code = '']) => !isOfNext(code))
    .map(([, code = '']) => bare(withoutSetUp(code)))
}

const guides = [...(await readdir(join(root, 'docs'), { recursive: true })), '../README.md'].filter(
  (name) => name.endsWith('.md') && !name.startsWith('api/'),
)
const examples = new Map(
  await Promise.all(guides.map(async (guide) => [guide, await examplesIn(guide)] as const)),
)

describe('a test contains every example of a guide', () => {
  test.each(Object.keys(TESTS_OF))('docs/%s', async (guide) => {
    const files = TESTS_OF[guide] ?? []
    const texts = await Promise.all(files.map((file) => readFile(join(root, file), 'utf8')))
    const tests = texts.map(bare).join('\n')
    const ofGuide = examples.get(guide) ?? []
    expect(ofGuide.length).toBeGreaterThan(0)
    expect(ofGuide.filter((example) => !tests.includes(example))).toEqual([])
  })

  test('no guide has an untested example', () => {
    const withExamples = guides.filter((guide) => examples.get(guide)?.length)
    expect(
      withExamples.filter((guide) => !(guide in TESTS_OF) && !FOLLOWED.includes(guide)),
    ).toEqual([])
  })
})
