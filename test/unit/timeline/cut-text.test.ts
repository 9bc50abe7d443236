import { expect, test } from 'vitest'
import { cutText } from '../../../src/schema/cut-text.ts'
import { mediaName } from '../../../src/timeline/claude-code/conversation.ts'
import { createLineSplitter } from '../../../src/timeline/lines.ts'

test('cuts between characters, also where half of one would fit', () => {
  expect(cutText('a😀b', 1)).toBe('a')
  expect(cutText('a😀b', 2)).toBe('a')
  expect(cutText('a😀b', 3)).toBe('a😀')
  expect(cutText('a😀b', 9)).toBe('a😀b')
})

test.each([0, 1])('parts of logs are cut between characters, after %s others', (shift) => {
  const text = 'x'.repeat(shift) + '😀'.repeat(3_000)
  const splitter = createLineSplitter('cut', 5_000)
  const [line] = [...splitter.write(Buffer.from(text)), ...splitter.end()]
  expect(line?.text).not.toMatch(/[\uFFFD\p{Surrogate}]/u)
  expect(mediaName({ type: 'document', title: text })).not.toMatch(/\p{Surrogate}/u)
})
