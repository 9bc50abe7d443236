import { expect, test } from 'vitest'
import { createLinkToken, linkGrantees } from '../../../src/access/link.ts'
import { granteeField } from '../../../src/schema/session-grant.ts'

test('a token belongs to the grantee it was created with', async () => {
  const { token, grantee } = await createLinkToken()
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(grantee).not.toContain(token)
  expect(granteeField.safeParse(grantee).success).toBe(true)
  expect(await linkGrantees([token])).toEqual([grantee])
  expect(await createLinkToken()).not.toEqual({ token, grantee })
})

test('malformed and repeated tokens are ignored, and more than 50', async () => {
  const { token, grantee } = await createLinkToken()
  expect(
    await linkGrantees(['', 'short', `${token}x`, `${token}\n`, grantee, token, token]),
  ).toEqual([grantee])
  const many = await Promise.all(Array.from({ length: 60 }, createLinkToken))
  expect(await linkGrantees(many.map((link) => link.token))).toHaveLength(50)
})

test('a grantee is stable, because grants are stored', async () => {
  expect(await linkGrantees(['A'.repeat(43)])).toEqual([
    'link:OYxxnLir2LR92vQrbZo_VeimwgYszf_VaVRpzxtrfVE',
  ])
})
