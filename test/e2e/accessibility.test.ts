import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accessibilityStories } from './stories/accessibility.ts'
import { startWorld, type World } from './stories/world.ts'

let world: World

beforeAll(async () => {
  world = await startWorld()
})

afterAll(() => world?.close())

describe('accessibility', () => accessibilityStories(() => world))

test('no window logged a console warning or error', () => {
  expect(world.complaints()).toEqual([])
})
