/** Where a secret was found in a text. */
export type Leak = { kind: string; value: string; form: string }

/** Remembers every value of a run that must appear in no log, no page and no store. */
export type SecretsLog = {
  /** @throws Error where a value is too short to be searched for */
  add(kind: string, value: string): void
  /** Takes the secret parameters out of a URL's query and fragment. */
  addUrl(url: string): void
  /** Takes the values out of `Set-Cookie` fields. */
  addCookies(setCookie: readonly string[]): void
  /** Takes the tokens out of a token response, and the secret out of a registration. */
  addTokens(response: object): void
  /** Takes the secret fields out of a form body. */
  addForm(form: URLSearchParams): void
  readonly size: number
  /** What there is of secrets: names of parameters, cookies and so on. */
  kinds(): Set<string>
  findIn(text: string): Leak[]
}

const MIN_LENGTH = 8

/** Names of parameters and fields whose values are secret. A code challenge, a client id and a JWT's public claims are not. */
const SECRET_NAMES = new Set([
  'access_token',
  'assertion',
  'client_assertion',
  'client_secret',
  'code',
  'code_verifier',
  'consent',
  'csrf',
  'handle',
  'id_token',
  'nonce',
  'refresh_token',
  'request_handle',
  'state',
  'token',
])

export function createSecretsLog(): SecretsLog {
  const kinds = new Map<string, string>()
  const add = (kind: string, value: string) => {
    if (value.length < MIN_LENGTH) {
      throw new Error(`a ${kind} of ${value.length} characters is too short to be searched for`)
    }
    kinds.set(value, kind)
  }
  const addPairs = (pairs: Iterable<[string, unknown]>) => {
    for (const [name, value] of pairs) {
      // A short one (a client's own `state`, a made-up code) would be found by chance.
      if (!SECRET_NAMES.has(name) || typeof value !== 'string' || value.length < MIN_LENGTH)
        continue
      add(name, value)
    }
  }
  return {
    add,
    addUrl: url => {
      const { searchParams, hash } = new URL(url)
      addPairs(searchParams)
      addPairs(new URLSearchParams(hash.slice(1)))
    },
    addCookies: setCookie => {
      for (const line of setCookie) {
        const [, name, value] = /^([^=;]+)=([^;]*)/.exec(line) ?? []
        if (name && value && value.length >= MIN_LENGTH) add(`cookie ${name}`, value)
      }
    },
    addTokens: response => addPairs(Object.entries(response)),
    addForm: addPairs,
    get size() {
      return kinds.size
    },
    kinds: () => new Set(kinds.values()),
    findIn: text =>
      [...kinds].flatMap(([value, kind]) => {
        const form = formsOf(value).find(candidate => text.includes(candidate))
        return form === undefined ? [] : [{ kind, value, form }]
      }),
  }
}

/** As it is, as a URL has it, as base64 (by itself or somewhere within a longer text), as hex, and without the part of a token that anybody may know. */
function formsOf(value: string): string[] {
  const lastPart = value.slice(value.lastIndexOf('.') + 1)
  const bytes = Buffer.from(value)
  const forms = [
    value,
    encodeURIComponent(value),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    ...[0, 1, 2].flatMap(offset => innerBase64(bytes, offset)),
    ...(lastPart.length >= 16 ? [lastPart] : []),
  ]
  return [...new Set(forms)]
}

/**
 * The characters of base64 that only these bytes decide, where they are part of a longer text.
 *
 * @param offset how many bytes stand before them, modulo 3
 */
function innerBase64(bytes: Buffer, offset: number): string[] {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64url')
  const start = Math.ceil((offset * 8) / 6)
  const end = Math.floor(((offset + bytes.length) * 8) / 6)
  const inner = text.slice(start, end)
  return [inner, inner.replaceAll('-', '+').replaceAll('_', '/')]
}
