import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLegacyStores } from '../../../src/legacy/index.ts'
import { createSessionStore } from '../../../src/server/index.ts'
import { useDatabase } from './legacy-fixture.ts'

const database = useDatabase()
const stores = (userId: string, tenantId = 'acme') =>
  createLegacyStores({
    store: createSessionStore({ database: database.pool }),
    database: database.pool,
    principal: { tenantId, userId },
  })

test('threads are created on first use, started, activated, renamed, archived and removed', async () => {
  const ada = stores('ada')
  const first = await ada.getActiveChatThread('session-default', 'session')
  expect(first).toMatchObject({ title: 'Session Coach', status: 'active', messageCount: 0 })
  expect(await ada.getActiveChatThread('session-default', 'session')).toEqual(first)
  const second = await ada.startNewChatThread('session-default', 'session')
  expect(second).toMatchObject({ title: 'Session Coach #2', status: 'active' })
  expect(await ada.getChatThreadById(first.id)).toMatchObject({ status: 'archived' })
  await ada.setActiveChatThread(first.id)
  const listed = await ada.listChatThreads('session-default', 'session')
  expect(listed.map(({ id, status }) => [id, status]).sort()).toEqual(
    [
      [first.id, 'active'],
      [second.id, 'archived'],
    ].sort(),
  )
  expect(await ada.renameChatThread(first.id, '  Named ')).toMatchObject({ title: 'Named' })
  expect(await ada.renameChatThread(first.id, ' ')).toMatchObject({ title: 'Named' })
  expect(await ada.archiveChatThread(first.id)).toMatchObject({ status: 'archived' })
  expect(await ada.removeChatThreadRecord(second.id)).toMatchObject({ id: second.id })
  expect(await ada.removeChatThreadRecord(second.id)).toBeNull()
  expect(await ada.archiveChatThread('nobody')).toBeNull()
  await expect(ada.renameChatThread('nobody', 'x')).rejects.toMatchObject({ code: 'not_found' })
  await ada.clearThreadsForSession('session-default')
  expect(await ada.listChatThreads('session-default')).toEqual([])
})

test('messages are appended once per client id, updated, listed in order and deleted', async () => {
  const ada = stores('ada')
  const where = { sessionId: 's-messages', mode: 'general' } as const
  const append = (content: string, more: object = {}) =>
    ada.appendChatMessage({ ...where, role: 'user', content, ...more })
  const first = await append('one', { clientMessageId: 'c1', evidence: [{ path: 'a.ts' }] })
  expect(first).toMatchObject({ content: 'one', evidence: [{ path: 'a.ts' }], mode: 'general' })
  expect(await append('again', { clientMessageId: 'c1' })).toEqual(first)
  const second = await append('two', { misalignmentId: 'm1' })
  const changed = await ada.updateChatMessage(second.id, (draft) => {
    draft.content = 'two, edited'
  })
  expect(changed).toMatchObject({ content: 'two, edited', misalignmentId: 'm1' })
  const listed = await ada.listChatMessages(where.sessionId, where.mode)
  expect(listed.map(({ content }) => content)).toEqual(['one', 'two, edited'])
  expect(await ada.getChatThreadById(first.threadId)).toMatchObject({
    messageCount: 2,
    lastMessagePreview: 'two, edited',
  })
  await ada.resetChatThread(where.sessionId, where.mode)
  expect(await ada.listChatMessages(where.sessionId, where.mode)).toEqual([])
  await ada.deleteMessagesForThread(first.threadId)
  expect(await ada.listChatMessagesByThread(first.threadId)).toEqual([])
})

test('uploads are saved, listed, found, read and refreshed from their source', async () => {
  const ada = stores('ada')
  const saved = await ada.saveSessionUpload('run.jsonl', '{"a":1}\nnot json')
  expect(saved).toMatchObject({ originalName: 'run.jsonl', size: 16, source: 'upload' })
  const id = saved?.id ?? ''
  expect(await ada.getSessionUploadContent(id)).toBe('{"a":1}\nnot json')
  expect(await ada.findSessionUploadRecordByOriginalName('run.jsonl')).toEqual(saved)
  expect(await ada.listSessionUploadRecords()).toEqual([saved])
  await expect(ada.refreshSessionUploadFromSource(id)).rejects.toThrow('no source file')
  const directory = await mkdtemp(join(tmpdir(), 'session-db-source-'))
  try {
    const path = join(directory, 'run.jsonl')
    await writeFile(path, 'longer than it was before')
    await database.pool.query('UPDATE sessions SET source_path = $2 WHERE id = $1', [id, path])
    expect(await ada.refreshSessionUploadFromSource(id)).toMatchObject({ id, size: 25 })
    expect(await ada.getSessionUploadContent(id)).toBe('longer than it was before')
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('hides and protects the rows of other users', async () => {
  const ada = stores('ada')
  const message = await ada.appendChatMessage({
    ...{ sessionId: 'private', mode: 'session', role: 'user', content: 'secret' },
  } as never)
  for (const other of [stores('bob'), stores('ada', 'rival')]) {
    expect(await other.listChatThreads('private')).toEqual([])
    expect(await other.listChatMessagesByThread(message.threadId)).toEqual([])
    expect(await other.getChatThreadById(message.threadId)).toBeNull()
    const renaming = other.renameChatThread(message.threadId, 'mine')
    await expect(renaming).rejects.toMatchObject({ code: 'not_found' })
  }
})
