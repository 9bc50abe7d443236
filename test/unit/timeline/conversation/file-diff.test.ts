import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { TimelineEvent } from '../../../../src/schema/timeline-event.ts'
import { fileDiffs } from '../../../../src/timeline/conversation/file-diff.ts'
import { event, eventsOf } from './events.ts'

const LOGS = join(import.meta.dirname, '../../../fixtures/session-logs')

const change = (text: string | null, data: TimelineEvent['data'] = {}, title = 'a.ts') =>
  fileDiffs(event(0, { kind: 'file_change', title, text, data }))

const linesOf = (diffs: ReturnType<typeof fileDiffs>) =>
  diffs.flatMap(({ hunks }) =>
    hunks.flatMap(({ lines }) =>
      lines.map(({ type, text, oldLine, newLine }) => [type, text, oldLine, newLine]),
    ),
  )

describe('fileDiffs', () => {
  test('prefers the hunks of the log to the text, which may be cut', () => {
    const patch = [{ oldStart: 7, newStart: 7, lines: [' a', '-b', '+c', '+d'] }]
    const diffs = change('@@ -7,2 +7,3 @@\n a\n-b', { patch, linesAdded: 2, linesRemoved: 1 })
    expect(diffs).toMatchObject([{ path: 'a.ts', change: 'updated', linesAdded: 2, isCut: false }])
    expect(linesOf(diffs)).toEqual([
      ['same', 'a', 7, 7],
      ['removed', 'b', 8, null],
      ['added', 'c', null, 8],
      ['added', 'd', null, 9],
    ])
  })

  test('reads what a call writes or replaces', () => {
    const call = (input: TimelineEvent['data']) =>
      fileDiffs(event(0, { kind: 'tool_call', data: { input } }))
    const replace = call({ file_path: '/a.ts', old_string: 'a\nb', new_string: 'c' })
    expect(replace).toMatchObject([{ path: '/a.ts', linesAdded: 1, linesRemoved: 2 }])
    expect(linesOf(replace)[0]).toEqual(['removed', 'a', null, null])
    expect(call({ file_path: '/a.ts', content: 'x\ny\n' })).toMatchObject([{ linesAdded: 2 }])
    const edits = [1, 2].map((n) => ({ old_string: `${n}`, new_string: `${n}${n}` }))
    expect(call({ file_path: '/a.ts', edits })[0]?.hunks).toHaveLength(2)
    expect(call({ command: 'ls' })).toEqual([])
    expect(call({ file_path: '/a.ts' })).toEqual([])
  })

  test('reads patches of several files', () => {
    const diffs = change(
      [
        '*** update src/a.ts → src/b.ts',
        '@@ -1,1 +1,1 @@ function main()',
        '-x',
        '+y',
        '*** Add File: new.ts',
        '+one',
        '*** delete old.ts',
        '-gone',
      ].join('\n'),
    )
    expect(diffs.map(({ path, change, movedTo }) => [path, change, movedTo])).toEqual([
      ['src/a.ts', 'updated', 'src/b.ts'],
      ['new.ts', 'added', null],
      ['old.ts', 'deleted', null],
    ])
    expect(diffs[0]?.hunks[0]?.heading).toBe('function main()')
    expect(diffs.map(({ linesAdded, linesRemoved }) => [linesAdded, linesRemoved])).toEqual([
      [1, 1],
      [1, 0],
      [0, 1],
    ])
    expect(linesOf(diffs.slice(1))).toEqual([
      ['added', 'one', null, 1],
      ['removed', 'gone', 1, null],
    ])
  })

  test('reads unified diffs with their heads, and lines that look like heads', () => {
    const diffs = change(
      'Index: a.ts\n======================\n--- a.ts\n+++ a.ts\n@@ -1 +1,2 @@\n x\n+++ y\n',
    )
    expect(linesOf(diffs)).toEqual([
      ['same', 'x', 1, 1],
      ['added', '++ y', null, 2],
    ])
  })

  test('reads the whole text of a new file, and notes that it was cut', () => {
    const [diff] = change('+a\n+b… [12 more characters]', { type: 'create', linesAdded: 9 })
    expect(diff).toMatchObject({ change: 'added', linesAdded: 9, isCut: true })
    expect(diff?.hunks[0]?.lines[0]).toMatchObject({ newLine: 1 })
  })

  test('is empty for a change without a diff', () => {
    expect(change(null)).toMatchObject([{ path: 'a.ts', hunks: [] }])
  })

  test.each(['claude-code', 'codex', 'gemini-cli'])(
    'has the lines that the parser counted in the logs of %s',
    async (agent) => {
      for (const name of readdirSync(join(LOGS, agent))) {
        const events = await eventsOf(join(LOGS, agent, name))
        for (const each of events.filter(({ kind }) => kind === 'file_change')) {
          const diffs = fileDiffs({ ...each, data: { ...each.data, linesAdded: null } })
          if (diffs.some(({ isCut }) => isCut)) continue
          const added = diffs.reduce((sum, { linesAdded }) => sum + linesAdded, 0)
          expect([name, each.seq, added]).toEqual([name, each.seq, each.data.linesAdded])
        }
      }
    },
  )
})
