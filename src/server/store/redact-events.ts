import type { JsonObject, JsonValue, Principal } from '../../schema/index.ts'
import { isRecord, parseJson } from '../../timeline/json.ts'
import type { FindSecrets } from '../../timeline/secrets.ts'
import type { Mutation } from '../../writes/batch.ts'
import { addCounts, type RedactionCounts, redactText } from '../uploads/redact.ts'
import type { Driver } from './drivers.ts'

/** The masked secrets of one event of a batch. */
interface EventRedactions {
  readonly eventId: string
  readonly counts: RedactionCounts
}

/** Masks secrets in the title, text and data of the timeline events that a batch writes. */
export async function redactEvents(
  find: FindSecrets | undefined,
  mutations: readonly Mutation[],
): Promise<{ mutations: readonly Mutation[]; redactions: readonly EventRedactions[] }> {
  const redactions: EventRedactions[] = []
  if (find === undefined) return { mutations, redactions }
  const masked: Mutation[] = []
  for (const mutation of mutations) {
    if (mutation.collection !== 'timelineEvents' || mutation.type === 'delete') {
      masked.push(mutation)
      continue
    }
    const isInsert = mutation.type === 'insert'
    const before: JsonObject = { ...(isInsert ? mutation.value : mutation.changes) } as JsonObject
    const { value, counts } = await redactFields(find, before)
    if (Object.keys(counts).length === 0) {
      masked.push(mutation)
      continue
    }
    redactions.push({ eventId: isInsert ? mutation.value.id : mutation.id, counts })
    const part = isInsert ? { value } : { changes: value }
    masked.push({ ...mutation, ...part } as unknown as Mutation)
  }
  return { mutations: masked, redactions }
}

async function redactFields(
  find: FindSecrets,
  event: JsonObject,
): Promise<{ value: JsonObject; counts: RedactionCounts }> {
  let counts: RedactionCounts = {}
  const masked = async (text: string) => {
    const redacted = await redactText(find, text)
    counts = addCounts(counts, redacted.counts)
    return redacted.text
  }
  const value: Record<string, JsonValue> = { ...event }
  for (const name of ['title', 'text']) {
    const text = value[name]
    if (typeof text === 'string') value[name] = await masked(text)
  }
  if (value.data !== undefined) {
    // As JSON, so that the search sees a setting's name beside its value.
    const data = parseJson(await masked(JSON.stringify(value.data)))
    value.data = isRecord(data) ? (data as JsonObject) : { redacted: true }
  }
  return { value, counts }
}

/** Adds the masked secrets of events to the counts of their sessions. */
export async function countRedactions(
  driver: Driver,
  { tenantId }: Principal,
  redactions: readonly EventRedactions[],
): Promise<void> {
  for (const { eventId, counts } of redactions) {
    await driver.run({
      name: undefined,
      text: `UPDATE sessions SET redactions = session_db_add_counts(redactions, $3::text::jsonb)
        WHERE tenant_id = $1 AND id = (
          SELECT session_id FROM timeline_events WHERE tenant_id = $1 AND id = $2)`,
      values: [tenantId, eventId, JSON.stringify(counts)],
    })
  }
}
