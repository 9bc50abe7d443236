import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { TimelineEvent } from '../../../../src/schema/timeline-event.ts'
import {
  buildConversation,
  type ConversationRow,
} from '../../../../src/timeline/conversation/build-conversation.ts'
import { event, eventsOf } from './events.ts'

const LOGS = join(import.meta.dirname, '../../../fixtures/session-logs')
const paths = ['claude-code', 'codex', 'gemini-cli', 'other'].flatMap((agent) =>
  readdirSync(join(LOGS, agent)).map((name) => join(agent, name)),
)

/** All events that the rows contain, those of sub-agents included. */
function contained(rows: readonly ConversationRow[]): TimelineEvent[] {
  return rows.flatMap(({ event: own, results, changes, agent, before, turn }) => [
    ...[own, ...results, ...changes, ...before, ...(turn?.folded ?? [])],
    ...contained(agent),
  ])
}

describe('buildConversation', () => {
  test.each(paths)('has each event of %s exactly once, in order', async (path) => {
    const events = await eventsOf(join(LOGS, path))
    const rows = buildConversation(events)
    const seqs = contained(rows).map(({ seq }) => seq)
    expect(seqs.toSorted((a, b) => a - b)).toEqual(
      rows.length === 0 ? [] : events.map(({ seq }) => seq),
    )
    const own = rows.map((row) => row.event.seq)
    expect(own).toEqual(own.toSorted((a, b) => a - b))
  })

  test('starts a real log with its prompt, and folds the set-up before it', async () => {
    const rows = buildConversation(await eventsOf(join(LOGS, 'codex/agentv-195k.jsonl')))
    const [first, second, third] = rows
    expect(first?.type).toBe('prompt')
    expect(first?.before).toHaveLength(6)
    expect([second?.type, third?.type]).toEqual(['answer', 'tool'])
    expect(third?.results).toHaveLength(1)
    expect(rows.every(({ event: { kind } }) => kind !== 'meta')).toBe(true)
    expect(first?.turn).toMatchObject({ model: 'gpt-5.5', toolCalls: 9, isComplete: true })
    const turns = rows.flatMap(({ turn }) => turn ?? [])
    // The totals of the last token count in the log.
    expect(turns.reduce((sum, { outputTokens }) => sum + (outputTokens ?? 0), 0)).toBe(11_683)
  })

  test('counts files that only the input of a call names, unless it failed', () => {
    const write = (seq: number, file_path: string) =>
      event(seq, {
        kind: 'tool_call',
        toolName: 'write_file',
        data: { input: { file_path, content: 'x' } },
      })
    const [row] = buildConversation([
      event(0, { role: 'user', text: 'Fix it' }),
      write(1, 'a.ts'),
      event(2, { kind: 'tool_result', parentId: 'e1', text: 'Done' }),
      write(3, 'b.ts'),
      event(4, { kind: 'tool_result', parentId: 'e3', text: 'No', data: { isError: true } }),
    ])
    expect(row?.turn).toMatchObject({ filesChanged: 1, failedCalls: 1 })
  })

  test('names the model of the session, not that of its sub-agents', () => {
    const [row] = buildConversation([
      event(0, { role: 'user', text: 'Fix it' }),
      event(1, { kind: 'tool_call', toolName: 'Task', data: { model: 'large' } }),
      event(2, { role: 'assistant', parentId: 'e1', data: { model: 'small', sidechain: true } }),
    ])
    expect(row?.turn?.model).toBe('large')
  })

  test('puts changes of files and results below their call', () => {
    const rows = buildConversation([
      event(0, { role: 'user', text: 'Fix it' }),
      event(1, { kind: 'tool_call', toolName: 'Edit' }),
      event(2, { kind: 'tool_result', parentId: 'e1', text: 'Done' }),
      event(3, { kind: 'file_change', parentId: 'e1', title: 'a.ts', data: { paths: ['a.ts'] } }),
      event(4, { kind: 'file_change', title: 'b.ts' }),
    ])
    expect(rows.map(({ type }) => type)).toEqual(['prompt', 'tool', 'change'])
    expect(rows[1]).toMatchObject({ results: [{ seq: 2 }], changes: [{ seq: 3 }] })
    expect(rows[0]?.turn).toMatchObject({ toolCalls: 1, failedCalls: 0, filesChanged: 2 })
  })

  test('nests a sub-agent below the call with its prompt, whatever follows in between', async () => {
    const events = await eventsOf(join(LOGS, 'claude-code/dkimuson-10108-sidechain.jsonl'))
    const rows = buildConversation(events)
    const callers = rows.filter(({ agent }) => agent.length > 0)
    expect(callers.map((row) => row.event.toolName)).toEqual(['Task', 'Task'])
    for (const { agent, event: call } of callers) {
      const input = call.data.input as { prompt: string }
      expect(agent[0]).toMatchObject({ type: 'prompt', event: { text: input.prompt } })
    }
    expect(rows.some((row) => row.event.data.sidechain === true)).toBe(false)
  })

  test('shows the log of a sub-agent itself', async () => {
    const rows = buildConversation(
      await eventsOf(join(LOGS, 'claude-code/jazzyalex-subagent-child.jsonl')),
    )
    expect(rows.map(({ type }) => type)).toEqual(['prompt', 'answer', 'tool', 'result'])
  })

  test('measures turns: time, model, each answer’s tokens once', () => {
    const at = (second: number) => new Date(second * 1_000)
    const usage = { output_tokens: 40 }
    const [prompt, , next] = buildConversation([
      event(0, { role: 'user', occurredAt: at(10) }),
      event(1, {
        role: 'assistant',
        occurredAt: at(15),
        data: { messageId: 'm1', model: 'opus', usage },
      }),
      event(2, {
        kind: 'tool_result',
        occurredAt: at(30),
        parentId: 'none',
        data: { isError: true, messageId: 'm1', usage },
      }),
      event(3, { role: 'user', occurredAt: at(100) }),
    ])
    expect(prompt?.turn).toMatchObject({
      durationMs: 20_000,
      model: 'opus',
      outputTokens: 40,
      failedCalls: 1,
    })
    expect(next?.turn).toMatchObject({ durationMs: 0, outputTokens: null })
  })

  test('marks turns of which events are not loaded', () => {
    const prompts = [0, 1, 5].map((seq) => event(seq, { role: 'user' }))
    const complete = buildConversation(prompts, { eventCount: 7 }).map(
      ({ turn }) => turn?.isComplete,
    )
    expect(complete).toEqual([true, false, false])
  })

  test('shows errors and compactions, and folds other system events and marked ones', () => {
    const rows = buildConversation([
      event(0, { kind: 'system', title: 'API error', data: { isError: true } }),
      event(1, { kind: 'system', title: 'Compacted' }),
      event(2, { kind: 'system', title: 'task started' }),
      event(3, { role: 'user', fold: 'abandoned' }),
    ])
    expect(rows.map(({ event: { seq } }) => seq)).toEqual([0, 1])
    expect(rows[0]?.turn?.folded.map(({ seq }) => seq)).toEqual([2, 3])
  })
})
