/** A form of a page, as it would be sent. */
export type Form = {
  method: 'GET' | 'POST'
  /** Absolute. */
  action: string
  hidden: Record<string, string>
  buttons: Button[]
}

export type Button = { name?: string; value: string; label: string }

/**
 * Reads the forms of a page. It understands the HTML that our own pages and the IdP's are written in, and throws on what it does not: an unquoted attribute, a form
 * without its end, a field that somebody would have to fill in.
 *
 * @param url where the page came from
 */
export function parseForms(html: string, url: string): Form[] {
  const opened = html.match(/<form\b/g)?.length ?? 0
  const forms = [...html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)]
  if (forms.length !== opened) throw new Error(`a form of ${url} does not end`)
  return forms.map(([, attributes = '', content = '']) => parseForm(attributes, content, url))
}

function parseForm(text: string, content: string, url: string): Form {
  const attributes = parseAttributes(text)
  const method = (attributes.get('method') ?? 'get').toUpperCase()
  if (method !== 'GET' && method !== 'POST') throw new Error(`a form of ${url} has a ${method}`)
  return {
    method,
    action: new URL(attributes.get('action') ?? '', url).href,
    hidden: parseHidden(content, url),
    buttons: [...content.matchAll(/<button\b([^>]*)>(.*?)<\/button>/gs)].map(
      ([, buttonText = '', label = '']) => parseButton(parseAttributes(buttonText), label),
    ),
  }
}

function parseHidden(content: string, url: string): Record<string, string> {
  const hidden: Record<string, string> = {}
  for (const [field, text = ''] of content.matchAll(/<(?:input|select|textarea)\b([^>]*)>/g)) {
    const attributes = parseAttributes(text)
    const name = attributes.get('name')
    if (attributes.get('type') !== 'hidden' || !name) {
      throw new Error(`a form of ${url} has a field that is not hidden: ${field}`)
    }
    hidden[name] = attributes.get('value') ?? ''
  }
  return hidden
}

function parseButton(attributes: Map<string, string>, content: string): Button {
  const label = decode(content.replaceAll(/<[^>]*>/g, ' '))
    .replaceAll(/\s+/g, ' ')
    .trim()
  const name = attributes.get('name')
  return { ...(name && { name }), value: attributes.get('value') ?? '', label }
}

function parseAttributes(text: string): Map<string, string> {
  const attributes = new Map<string, string>()
  const rest = text.replaceAll(/\s([\w-]+)(?:="([^"]*)")?(?=[\s/]|$)/g, (_, name, value = '') => {
    attributes.set(name.toLowerCase(), decode(value))
    return ''
  })
  if (rest.replace('/', '').trim() !== '') throw new Error(`cannot read the attributes:${text}`)
  return attributes
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decode(text: string): string {
  return text.replaceAll(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (entity, hex, decimal, name) => {
    if (hex || decimal) return String.fromCodePoint(Number.parseInt(hex ?? decimal, hex ? 16 : 10))
    return ENTITIES[name] ?? entity
  })
}
