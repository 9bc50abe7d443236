/** What Electric calls its objects in Postgres. */
export interface ElectricNames {
  readonly publication: string
  readonly slot: string
}

/**
 * Names of Electric's publication and replication slot.
 *
 * @param streamId Electric's `ELECTRIC_REPLICATION_STREAM_ID`; `default` unless it is set.
 * @example
 * electricNames().slot // 'electric_slot_default'
 */
export function electricNames(streamId = 'default'): ElectricNames {
  return { publication: `electric_publication_${streamId}`, slot: `electric_slot_${streamId}` }
}
