/** Longer URLs break in clients and proxies. */
const MAX_LENGTH = 2048

/**
 * Whether a `client_id` is the URL of a client ID metadata document: https, with a path beyond `/`, without a fragment, without credentials. A query is allowed, though
 * clients should do without.
 *
 * It must be written the way URL parsers write it. That excludes dot segments in every spelling, and leaves nothing in which what is shown to a person, what is fetched
 * and what is compared could differ.
 *
 * @see draft-ietf-oauth-client-id-metadata-document-02 section 3
 */
export function isClientIdUrl(clientId: string): boolean {
  if (clientId.length > MAX_LENGTH || clientId.includes('#')) return false
  const url = URL.parse(clientId)
  return (
    url?.protocol === 'https:' &&
    url.href === clientId &&
    url.pathname !== '/' &&
    url.username === '' &&
    url.password === ''
  )
}
