import type { EventDraft } from '../events.ts'
import { brokenLineDraft } from '../json.ts'
import { defineTimelineParser } from '../parser.ts'

const STARTED = /^# aider chat started at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)/
/** Lines and characters of an event; a longer section is continued in another one. */
const MAX_SECTION = 3_500

type Speaker = 'user' | 'assistant' | 'aider'

/** Reads `.aider.chat.history.md`: prompts after `####`, output of Aider after `>`, answers as they are. */
export const aiderParser = defineTimelineParser({
  name: 'aider',
  version: 1,
  detect: ({ text }) => {
    if (/^\s*# aider chat started at \d{4}-/.test(text)) return 1
    return /^# aider chat started at \d{4}-/m.test(text) ? 0.9 : 0
  },
  create() {
    const facts: { startedAt?: unknown; model?: unknown; agentVersion?: unknown } = {}
    let time: string | undefined
    let section: { by: Speaker; text: string; line: number; endLine: number } | undefined

    function* flush(): Generator<EventDraft> {
      if (section === undefined) return
      const { by, text, ...place } = section
      section = undefined
      const kind = by === 'aider' ? ('system' as const) : ('message' as const)
      const role = by === 'aider' ? 'system' : by
      yield { kind, role, text: text.trimEnd(), time, ...place }
    }

    return {
      facts,
      *push(line) {
        if (line.truncated) {
          yield* flush()
          yield { ...brokenLineDraft(line, line.text), time }
          return
        }
        const started = STARTED.exec(line.text)?.[1]
        if (started !== undefined) {
          yield* flush()
          time = started
          facts.startedAt ??= started
          yield { kind: 'meta', role: 'system', title: 'chat started', text: line.text, time }
          return
        }
        const prompt = /^#### (.*)$/.exec(line.text)?.[1]
        const output = /^>(?: (.*))?$/.exec(line.text)
        const by = prompt !== undefined ? 'user' : output !== null ? 'aider' : 'assistant'
        const text = (prompt ?? (output === null ? line.text : (output[1] ?? ''))).trimEnd()
        if (by === 'aider') {
          facts.model = /^(?:Main model|Models?): (\S+)/.exec(text)?.[1] ?? facts.model
          facts.agentVersion = /^Aider v(\S+)/.exec(text)?.[1] ?? facts.agentVersion
        }
        const isLong = (section?.text.length ?? 0) + text.length > MAX_SECTION
        if (section?.by !== by || isLong) yield* flush()
        section ??= { by, text: '', line: line.number, endLine: line.number }
        section = { ...section, text: `${section.text}${text}\n`, endLine: line.number }
      },
      finish: flush,
    }
  },
})
