/** A secret in a text: its kind, such as `github-token`, and its range in UTF-16 code units. */
export interface FoundSecret {
  readonly kind: string
  readonly start: number
  readonly end: number
}

/**
 * Finds secrets in a part of a log. It is called with overlapping parts of about 64 Ki characters, so a
 * secret of up to 16 Ki characters is always seen whole.
 */
export type FindSecrets = (text: string) => Iterable<FoundSecret> | Promise<Iterable<FoundSecret>>

/** Where a word starts, also after an escaped line break of JSON. */
const START = String.raw`(?:(?<![A-Za-z0-9+/_-])|(?<=\\[nrt]))`
/** Between a name and its value: `=`, `: `, `": "`, also inside of JSON in JSON. */
const IS = String.raw`(?:\\{0,8}["'])?\s{0,3}(?:=>|[:=])\s{0,3}(?:\\{0,8}["'])?`
/** A value of a setting: it has a digit, so that `password: string` is none. */
const VALUE = String.raw`(?<secret>(?=[^\s"'\\]{0,100}\d)[^\s"'\\,;(){}<>$&|\x60]{8,500})`

/**
 * Kinds of secrets, most specific first. A pattern with a group `secret` masks only that group. All
 * quantifiers are bounded, which keeps the search linear, and no pattern ends within an escape, so that
 * JSON stays JSON.
 */
const PATTERNS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  [
    'private-key',
    /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?=[^"]{0,300}?[A-Za-z0-9+/=]{32})(?:[\w+/=\s:,.]|\\{1,8}[nr]|-(?!-)){0,12000}(?:-----END [A-Z0-9 ]{0,60}-----)?/g,
  ],
  ['aws-key', word('(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9+/=])')],
  ['github-token', /(?:gh[pousr]_[A-Za-z0-9]{30,251}|github_pat_\w{22,255})/g],
  ['gitlab-token', /gl(?:pat|dt|rt|cbt|ptt|oas|soat)-[\w.-]{20,300}/g],
  ['slack-token', /(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,250}/g],
  ['slack-webhook', /hooks\.slack\.com\/(?:services|workflows)\/(?<secret>[A-Za-z0-9/]{20,200})/g],
  ['api-key', word(String.raw`sk-(?=[\w-]{0,100}\d)[\w-]{20,300}`)],
  ['stripe-key', /(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,250}/g],
  ['google-key', /(?:AIza[\w-]{35}|GOCSPX-[\w-]{20,60}|ya29\.[\w-]{20,500})/g],
  ['npm-token', word('npm_[A-Za-z0-9]{36}')],
  ['pypi-token', /pypi-[\w-]{50,300}/g],
  ['sendgrid-key', word(String.raw`SG\.[\w-]{16,32}\.[\w-]{16,64}`)],
  ['huggingface-token', word('hf_[A-Za-z0-9]{30,60}')],
  ['telegram-token', word(String.raw`\d{8,10}:AA[\w-]{33}`)],
  [
    'service-key',
    word(
      String.raw`(?:dop_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|lin_api_[A-Za-z0-9]{40}|dapi[a-f0-9]{32}|sbp_[a-f0-9]{40}|SK[0-9a-f]{32}|glsa_\w{41}|gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{60,100}|r8_[A-Za-z0-9]{37}|AGE-SECRET-KEY-1[A-Z0-9]{58})`,
    ),
  ],
  ['jwt', word(String.raw`eyJ[\w-]{10,2000}\.eyJ[\w-]{10,8000}\.[\w-]{10,2000}`)],
  [
    'bearer-token',
    word(String.raw`bearer\s{1,3}(?<secret>(?=[\w+/=.~-]{0,100}\d)[\w+/=.~-]{16,4000})`, 'gi'),
  ],
  [
    'basic-auth',
    /authorization(?:\\{0,8}["'])?\s{0,3}[:=]\s{0,3}(?:\\{0,8}["'])?(?:basic|token)\s{1,3}(?<secret>[\w+/=.~-]{8,2000})/gi,
  ],
  [
    'connection-string',
    /[a-z][a-z0-9+.-]{1,30}:\/\/[^\s:@/"'\\<>]{0,100}:(?<secret>[^\s@/"'\\<>{}$*]{3,200})@/gi,
  ],
  [
    'assigned-secret',
    new RegExp(
      `(?:(?:api|access|account|secret|private|auth|encryption|signing)[_-]?key|secret|passw(?:or)?d|passphrase|[_-]token|["']token|(?:access|auth|refresh|api|bot|session)token|credential)${IS}${VALUE}`,
      'gi',
    ),
  ],
  // Settings in capitals, as in .env files, may be words.
  [
    'assigned-secret',
    /(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY)=(?:\\{0,8}["'])?(?<secret>[^\s"'\\,;(){}<>$&|\x60]{6,500})/g,
  ],
]

function word(pattern: string, flags = 'g'): RegExp {
  return new RegExp(START + pattern, flags)
}

/**
 * Finds common secrets: private keys, keys and tokens of well-known services, JSON Web Tokens, bearer
 * tokens, passwords in connection strings, and values of settings named like a password, a token or a
 * key. It prefers a mask too many to a secret kept.
 *
 * @param text a text, such as a part of a log
 * @example
 * const store = createSessionStore({ database, redact: findSecrets })
 */
export function findSecrets(text: string): FoundSecret[] {
  const found: FoundSecret[] = []
  for (const [kind, pattern] of PATTERNS) {
    for (const match of text.matchAll(pattern)) {
      const end = match.index + match[0].length
      const secret = match.groups?.secret
      // The group is the last part of its match, but for what a connection string has after it.
      const start = secret === undefined ? match.index : match.index + match[0].lastIndexOf(secret)
      found.push({ kind, start, end: secret === undefined ? end : start + secret.length })
    }
  }
  return found
}
