import { readFile } from 'node:fs/promises'
import path from 'node:path'

const file = path.join(process.cwd(), 'data', 'chat-threads.json')

export const threads = async () => JSON.parse(await readFile(file, 'utf8'))
