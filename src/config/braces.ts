/**
 * Lets `${NAME}` stand unquoted anywhere. In a flow collection (`redis: { url: ${REDIS_URL} }`) YAML takes the braces for a map of its own, so while it reads the text,
 * those of references are two private characters. They are as long, so every place stays where it is.
 */
const OPEN = '\ue000'
const CLOSE = '\ue001'

/** Where the text has one of the private characters itself; -1 where it has none. */
export function findPrivate(text: string): number {
  return text.search(new RegExp(`[${OPEN}${CLOSE}]`))
}

export function hideBraces(text: string): string {
  return text.replaceAll(/\$\{([^{}\n]*)\}/g, (_, body: string) => `$${OPEN}${body}${CLOSE}`)
}

export function showBraces(text: string): string {
  return text.replaceAll(OPEN, '{').replaceAll(CLOSE, '}')
}
