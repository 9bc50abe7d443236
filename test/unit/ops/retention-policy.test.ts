import { describe, expect, test } from 'vitest'
import { parseDuration, parseRetentionPolicy } from '../../../src/ops/retention/retention-policy.ts'

describe('refuses wrong input and names it:', () => {
  test.each(['', '90', 'd', '-1d', '1.5d', '90 d', '9999999d', 'keep'])('duration %j', (text) => {
    expect(() => parseDuration(text)).toThrow('is not a duration')
  })
  test.each([
    [{}, 'default'],
    [{ default: '90' }, 'default'],
    [{ default: '90d', tenants: { acme: 'never' } }, 'tenants.acme'],
    [{ default: '90d', tenant: {} }, 'the policy'],
    [null, 'the policy'],
  ])('policy %j', (policy, where) => {
    expect(() => parseRetentionPolicy(policy)).toThrow(where)
  })
})
