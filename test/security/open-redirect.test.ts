import { expect, test } from 'vitest'
import { ownPath } from '../../examples/start-app/src/lib/own-path.ts'

test.each([
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  '/\r\\evil.example',
  '/.//evil.example',
  '/x/..//evil.example',
  '/%2e//evil.example',
  '/./\t/evil.example',
  'https://evil.example',
  'javascript:alert(1)',
  ' //evil.example',
  '',
  undefined,
  ['/'],
])('the example never leaves the app for %j', (next) => {
  const path = ownPath(next)
  expect(new URL(path, 'https://app.example/sign-in').host).toBe('app.example')
  // Parsing a returned path again changes nothing.
  expect(ownPath(path)).toBe(path)
})

test('the example returns to its own paths', () => {
  expect(ownPath('/sessions/s1?view=chat#m2')).toBe('/sessions/s1?view=chat#m2')
  expect(ownPath('/sessions/%2F%2Fx')).toBe('/sessions/%2F%2Fx')
})
