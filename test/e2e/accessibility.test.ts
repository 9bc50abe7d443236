import { accessibilityStories } from './stories/accessibility.ts'
import { tellStories } from './stories/world.ts'

tellStories({ accessibility: accessibilityStories })
