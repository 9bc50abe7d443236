import type { ChatMessage, JsonObject, JsonValue } from '@org/session-db'
import { Ban, Check, CircleAlert, Loader, type LucideIcon, ShieldQuestion } from 'lucide-react'
import { useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'
import { useAnswers } from './use-answers'

interface Call {
  readonly name: string
  readonly state: string
  readonly input: JsonValue | undefined
  readonly result: string | undefined
  readonly approvalId: string | undefined
}

/** Reads a tool call from a part of the AI SDK. */
export function toolCallOf(part: JsonObject): Call | undefined {
  const { type, toolName, state, input, output, errorText, approval } = part
  if (typeof part.toolCallId !== 'string' || typeof type !== 'string') return undefined
  const result = errorText ?? output
  const approvalId =
    typeof approval === 'object' && approval !== null && 'id' in approval ? approval.id : undefined
  return {
    name: String(type === 'dynamic-tool' ? toolName : type.slice('tool-'.length)),
    state: String(state),
    input,
    result: result === undefined ? undefined : textOf(result),
    approvalId: typeof approvalId === 'string' ? approvalId : undefined,
  }
}

const looks: Record<string, { icon: LucideIcon; label: string }> = {
  'approval-requested': { icon: ShieldQuestion, label: 'asks to use' },
  'output-available': { icon: Check, label: 'used' },
  'output-error': { icon: CircleAlert, label: 'failed:' },
  'output-denied': { icon: Ban, label: 'was not allowed to use' },
}
const running = { icon: Loader, label: 'is using' }

/** One line about a tool call, its result folded. The one who asked allows or forbids it. */
export function ToolCall({ call, message }: { call: Call; message: ChatMessage }) {
  const { user } = useSessionDb()
  const { decide } = useAnswers()
  const { name, state, input, result, approvalId } = call
  const { icon: Icon, label } = looks[state] ?? running
  const isAsking = state === 'approval-requested' && approvalId !== undefined
  return (
    <div
      data-testid="tool-call"
      data-state={state}
      className="my-1.5 rounded-lg border bg-background px-2.5 py-1.5 text-[13px]"
    >
      <p className="flex items-center gap-2">
        <Icon className="size-4 shrink-0 text-muted-foreground" aria-hidden />
        <span className="min-w-0">
          The assistant {label} <strong className="font-medium">{name}</strong>
        </span>
      </p>
      {input !== undefined && (
        <pre className="my-1.5 overflow-x-auto rounded-md bg-muted px-2 py-1 text-xs">
          {textOf(input)}
        </pre>
      )}
      {isAsking && message.authorId === user.id && (
        <div className="mt-2 mb-1 flex gap-2">
          <Button
            size="sm"
            variant="primary"
            data-testid="approve"
            onClick={() => decide(message, approvalId, true)}
          >
            Allow
          </Button>
          <Button size="sm" data-testid="deny" onClick={() => decide(message, approvalId, false)}>
            Don’t allow
          </Button>
        </div>
      )}
      {result !== undefined && (
        <details>
          <summary className="cursor-pointer text-xs text-muted-foreground">Result</summary>
          <pre className="mt-1 overflow-x-auto text-xs whitespace-pre-wrap">{result}</pre>
        </details>
      )}
    </div>
  )
}

/** The only value of an object with one text, otherwise JSON. */
function textOf(value: JsonValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null) {
    const [only, ...others] = Object.values(value)
    if (typeof only === 'string' && others.length === 0) return only
  }
  return JSON.stringify(value, null, 2)
}
