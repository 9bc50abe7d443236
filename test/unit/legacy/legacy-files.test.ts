// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts are code.
import { describe, expect, test } from 'vitest'
import { findLegacyPaths } from '../../../src/legacy/guard/legacy-files.ts'

const find = (...codes: string[]) =>
  findLegacyPaths(codes.map((code, index) => ({ file: `m${index}.ts`, code })))

describe('finds code that names a legacy snapshot', () => {
  test.each([
    ['as the old app did', `const f = path.join(process.cwd(), 'data', 'chat-threads.json')`],
    [
      'in two steps, as the old app did',
      `const DATA_DIR = path.join(process.cwd(), 'data')\nconst F = path.join(DATA_DIR, 'chat-messages.json')`,
    ],
    ['a literal', `fs.readFile('data/chat-tool-events.json')`],
    ['a URL', `new URL('../data/chat-threads.json', import.meta.url)`],
    ['fetched by a client', `await fetch('/data/chat-threads.json?x=1')`],
    ['imported', `import threads from '../data/chat-threads.json'`],
    ['imported when needed', `const t = await import('../data/chat-threads.json')`],
    ['a raw template', 'const f = String.raw`data\\chat-threads.json`'],
    ['concat', `const f = 'chat-threads'.concat('.json')`],
    ['path.format', `path.format({ dir: 'data', name: 'chat-threads', ext: '.json' })`],
    [
      'a parameter',
      `function file(name: string) { return join(DIR, name + '.json') }\nfile('chat-threads')`,
    ],
    [
      'an arrow function',
      'const file = (name: string) => `data/${name}.json`\nread(file("chat-messages"))',
    ],
    ['a default', 'const read = (name = "chat-threads") => readFile(`${dir}/${name}.json`)'],
    ['a loop', `for (const name of ['todos', 'chat-threads']) read(join('data', name + '.json'))`],
    [
      'a mapped list',
      `const files = ['chat-threads', 'chat-messages'].map((n) => dir + '/' + n + '.json')`,
    ],
    [
      'an object',
      `const FILES = { threads: 'chat-threads' } as const\nread(FILES.threads + '.json')`,
    ],
    ['an enum', `enum Store { Threads = 'chat-threads' }\nread(Store.Threads + '.json')`],
    [
      'a class',
      `class S { static FILE = 'chat-threads'\n load() { return read(S.FILE + '.json') } }`,
    ],
    [
      'destructured',
      `const names = { threads: 'chat-threads' }\nconst { threads } = names\nread(threads + '.json')`,
    ],
    ['a condition', `const n = mode ? 'chat-threads' : 'chat-messages'\nread(n + '.json')`],
    ['a glob', `import.meta.glob('../data/chat-*.json')`],
    [
      'an unknown name in data',
      'const open = (n) => read(`data/${n}.json`)\nexport const stores = ["chat-threads"]',
    ],
    ['in JSX', `const A = () => <a href={'/data/' + 'chat-threads.json'}>x</a>`],
  ])('%s', (_how, code) => {
    expect(find(code).length).toBeGreaterThan(0)
  })

  test('in the file that adds the extension, when the name is a constant of the same file', () => {
    const uses = find(
      `export const THREADS = 'chat-threads'\nexport const file = join(DIR, THREADS + '.json')`,
    )
    expect(uses).toEqual([{ file: 'm0.ts', line: 1, column: 25, path: 'chat-threads' }])
  })

  test('by line and column', () => {
    const [use] = find(`// chat-threads.json\n\n  read(path.join(dir, 'chat-threads.json'))`)
    expect(use).toEqual({ file: 'm0.ts', line: 3, column: 24, path: 'chat-threads.json' })
  })
})

test('takes linear time for templates with many holes', () => {
  const code = `x = \`${'${a}'.repeat(2_000)}\``
  expect(find(code)).toEqual([])
  expect(find(code.replace(/`$/, '/chat-threads.json`'))).toHaveLength(1)
})

describe('ignores', () => {
  test.each([
    ['a comment', `// reads data/chat-threads.json\nexport const a = 1`],
    ['a quoted path in a comment', `const a = 1 // was 'data/chat-threads.json'`],
    ['code that is commented out', ` * read('data/chat-threads.json')`],
    ['a sentence', `throw new Error('Could not import data/chat-threads.json')`],
    ['another file', `path.join('data', 'todos.json')`],
    ['a longer name', `read('data/my-chat-threads.json')`],
    ['a query key', `useQuery({ queryKey: ['chat-threads', id] })`],
    ['a glob of other files', `import.meta.glob('../data/chart-*.json')`],
    [
      'a query key beside another JSON file',
      `useQuery({ queryKey: ['chat-threads'] })\nfetch('/locales/en.json')`,
    ],
    ['a route', `createFileRoute('/chat-threads/$id')`],
    ['a download name', 'link.download = `chat-${id}.json`'],
    ['an unknown name', 'read(`data/${name}.json`)'],
    ['not code', `<<<<<<< chat-threads.json`],
  ])('%s', (_what, code) => {
    expect(find(code)).toEqual([])
  })
})
