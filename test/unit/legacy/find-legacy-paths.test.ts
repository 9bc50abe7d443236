// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts are code.
import { describe, expect, test } from 'vitest'
import { findLegacyPaths } from '../../../src/legacy/guard/find-legacy-paths.ts'

const find = (...codes: string[]) =>
  findLegacyPaths(codes.map((code, index) => ({ file: `m${index}.ts`, code })))

describe('code that makes the path of a legacy snapshot is found', () => {
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
    ['added together', `const f = 'data/' + 'chat-' + 'threads' + '.json'`],
    ['a template', "const kind = 'threads'\nconst f = `${process.cwd()}/data/chat-${kind}.json`"],
    ['a raw template', 'const f = String.raw`data\\chat-threads.json`'],
    [
      'split constants',
      `const A = 'chat'\nconst B = 'messages'\nconst EXT = 'json'\nconst f = [A, B].join('-') + '.' + EXT`,
    ],
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

  test('of a constant of another module', () => {
    const uses = find(
      `export const THREADS = 'chat-threads'\nexport const DIR = 'data'`,
      `import { THREADS as NAME, DIR } from '~/paths'\n\nexport const file = join(DIR, NAME + '.json')`,
    )
    expect(uses).toEqual([{ file: 'm1.ts', line: 3, column: 21, path: 'data/chat-threads.json' }])
  })

  test('of a function of another module', () => {
    const uses = find(
      'export const snapshot = (name: string) => join(process.cwd(), "data", `${name}.json`)',
      `import { snapshot } from './snapshot'\nexport const f = snapshot('chat-threads')`,
    )
    expect(uses.length).toBeGreaterThan(0)
  })

  test('among names that all use one another, each looked at once', () => {
    const web = Array.from(
      { length: 40 },
      (_, n) => `import * as other from './other'
        export const name = { value: other.value + other.text, text: other.text + other.value }
        export const file${n} = (value: string) => 'data/' + other.value + value + '.json'
        file${n}(name.text + name.value)`,
    )
    expect(find(...web, `join('data', 'chat-threads.json')`)).toContainEqual(
      expect.objectContaining({ file: 'm40.ts', line: 1, column: 1 }),
    )
  })

  test('with its line and column', () => {
    const [use] = find(`// chat-threads.json\n\n  read(path.join(dir, 'chat-threads.json'))`)
    expect(use).toEqual({ file: 'm0.ts', line: 3, column: 8, path: '…/chat-threads.json' })
  })
})

describe('other code is left alone', () => {
  test.each([
    ['a comment', `// reads data/chat-threads.json\nexport const a = 1`],
    ['a sentence', `throw new Error('Could not import data/chat-threads.json')`],
    ['another file', `path.join('data', 'todos.json')`],
    ['a longer name', `read('data/my-chat-threads.json')`],
    ['a query key', `useQuery({ queryKey: ['chat-threads', id] })`],
    ['a route', `createFileRoute('/chat-threads/$id')`],
    ['a download name', 'link.download = `chat-${id}.json`'],
    ['an unknown name', 'read(`data/${name}.json`)'],
    ['not code', `<<<<<<< chat-threads.json`],
  ])('%s', (_what, code) => {
    expect(find(code)).toEqual([])
  })
})
