import { type AddressInfo, createServer, type Server, Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDirectSocket, divert } from '../../../src/dev/shape-server/direct-socket.ts'
import { until } from './fixture.ts'

let echo: Server
let socket: Socket | undefined

beforeEach(async () => {
  echo = createServer((client) => client.pipe(client))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
})

afterEach(() => {
  socket?.destroy()
  echo.close()
})

function connect(create: () => Socket): Socket {
  socket = create()
  return socket.connect((echo.address() as AddressInfo).port, '127.0.0.1')
}

/** What has come, as the pieces that came. */
function gather() {
  const pieces: Buffer[] = []
  return {
    text: () => Buffer.concat(pieces).toString(),
    add: (bytes: Buffer) => pieces.push(bytes),
  }
}

test('listeners to a direct socket may keep what they get', async () => {
  const stream = connect(createDirectSocket)
  const heard = gather()
  stream.on('data', heard.add)
  const text = Array.from({ length: 200_000 }, (_, i) => `${i}\n`).join('')
  stream.write(text)
  await until('all is there', () => heard.text().length === text.length)
  expect(heard.text() === text).toBe(true)
})

test('between two pieces of a diverted socket everything else has its turn', async () => {
  const stream = connect(createDirectSocket)
  const bytes = 32 * 2 ** 20
  let length = 0
  let waiting = 0
  const missed: number[] = []
  divert(stream, (piece) => {
    if (waiting > 0) missed.push(length)
    length += piece.length
    waiting += 1
    setImmediate(() => {
      waiting -= 1
    })
  })
  stream.write(Buffer.alloc(bytes))
  await until('all is there', () => length === bytes)
  expect(missed).toEqual([])
})

const kinds = { direct: createDirectSocket, usual: () => new Socket() }

for (const [kind, create] of Object.entries(kinds)) {
  test(`while a ${kind} socket is diverted, its listeners hear nothing`, async () => {
    const stream = connect(create)
    const heard = gather()
    const taken = gather()
    stream.on('data', heard.add)
    stream.write('one')
    await until('the listener has heard', () => heard.text() === 'one')
    const giveBack = divert(stream, (bytes) => taken.add(Buffer.from(bytes)))
    stream.write('two')
    await until('the reader has taken', () => taken.text() === 'two')
    giveBack()
    giveBack()
    stream.write('three')
    await until('the listener has heard again', () => heard.text() === 'onethree')
    expect(taken.text()).toBe('two')
  })
}
