/** What a gateway tells a client that has registered itself. */
export type Registration = { client_id: string; client_secret?: string }

/**
 * Registers a client, public unless its metadata says otherwise.
 *
 * @throws Error with the gateway's answer where it is not registered
 */
export async function registerAt(
  origin: string,
  redirectUri: string,
  metadata: Record<string, unknown> = {},
): Promise<Registration> {
  const response = await fetch(`${origin}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'A client',
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'none',
      ...metadata,
    }),
  })
  if (response.status !== 201) {
    throw new Error(`registration: ${response.status} ${await response.text()}`)
  }
  return (await response.json()) as Registration
}
