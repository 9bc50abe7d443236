// Collections in memory, each with a snapshot on disk that is read at the start and written on every change.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCollection, localOnlyCollectionOptions } from '@tanstack/db'

const DATA = join(process.cwd(), 'data')

export function openSnapshot<Row extends { id: string }>(id: string, file: string) {
  const path = join(DATA, file)
  const collection = createCollection(
    localOnlyCollectionOptions<Row, string>({ id, getKey: (row) => row.id }),
  )
  for (const row of readRows<Row>(path)) collection.insert(row)
  return {
    collection,
    save() {
      mkdirSync(DATA, { recursive: true })
      writeFileSync(path, JSON.stringify(collection.toArray, null, 2))
    },
  }
}

function readRows<Row extends { id: string }>(path: string): Row[] {
  if (!existsSync(path)) return []
  try {
    const rows: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return Array.isArray(rows) ? rows.filter((row) => typeof row?.id === 'string') : []
  } catch {
    return []
  }
}
