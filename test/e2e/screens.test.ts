import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { failureStories } from './stories/failures.ts'
import { firstLoadStories } from './stories/first-load.ts'
import { sessionStories } from './stories/sessions.ts'
import { timelineStories } from './stories/timeline.ts'
import { startWorld, type World } from './stories/world.ts'

let world: World

beforeAll(async () => {
  world = await startWorld()
})

afterAll(() => world?.close())

describe('the list of sessions', () => sessionStories(() => world))
describe('a timeline', () => timelineStories(() => world))
describe('failures', () => failureStories(() => world))
describe('the first load', () => firstLoadStories(() => world))

test('no window logged a console warning or error', () => {
  expect(world.complaints()).toEqual([])
})
