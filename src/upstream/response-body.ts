/** Answers of a token endpoint, mended before `openid-client` judges them. What is not JSON is left to it. */

/** The answer without its ID token, which `keep` takes. */
export async function setIdTokenAside(
  response: Response,
  keep: (idToken: string) => void,
): Promise<Response> {
  return rewrite(response, ({ id_token: idToken, ...rest }) => {
    if (typeof idToken === 'string') keep(idToken)
    return { body: rest }
  })
}

/** An error that came with 200, as an error. */
export async function asStatusSays(response: Response): Promise<Response> {
  return rewrite(response, body =>
    typeof body.error === 'string' ? { body, status: 400 } : { body },
  )
}

type Fields = Record<string, unknown>

async function rewrite(
  response: Response,
  change: (body: Fields) => { body: Fields; status?: number },
): Promise<Response> {
  if (response.status !== 200 || !response.headers.get('content-type')?.includes('json'))
    return response
  const text = await response.text()
  const { statusText, headers } = response
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null) throw new SyntaxError('no object')
    const { body, status = 200 } = change(Object.fromEntries(Object.entries(parsed)))
    return new Response(JSON.stringify(body), { status, statusText, headers })
  } catch {
    return new Response(text, { status: 200, statusText, headers })
  }
}
