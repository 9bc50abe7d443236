import { failureStories } from './stories/failures.ts'
import { firstLoadStories } from './stories/first-load.ts'
import { sessionStories } from './stories/sessions.ts'
import { timelineStories } from './stories/timeline.ts'
import { tellStories } from './stories/world.ts'

tellStories({
  'the list of sessions': sessionStories,
  'a timeline': timelineStories,
  failures: failureStories,
  'the first load': firstLoadStories,
})
