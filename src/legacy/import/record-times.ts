/** When a record was made and last changed, as Postgres reads it. Most were never changed: one text is both. */
export function recordTimes({
  createdAt,
  updatedAt,
}: {
  readonly createdAt: Date
  readonly updatedAt: Date
}): [createdAt: string, updatedAt: string] {
  const created = createdAt.toISOString()
  return [created, updatedAt.getTime() === createdAt.getTime() ? created : updatedAt.toISOString()]
}
