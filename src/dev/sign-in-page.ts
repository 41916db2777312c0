import { createHash } from 'node:crypto'
import { html, raw } from 'hono/html'
import type { DevUser } from './users.ts'

/** A page of the development IdP and the policy that it is to be served with. */
export type Page = { body: string; contentSecurityPolicy: string }

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --ground: #f6f8fa; --card: #fff; --line: #8c959f; --warn: #7a4b00; --warn-ground: #fff4d6 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b1; --ground: #0d1117; --card: #161b22; --line: #6e7681; --warn: #ffd98a; --warn-ground: #33270b }
}
* { box-sizing: border-box }
body { margin: 0; padding: 1rem; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 26rem; padding: 1.5rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem }
h1 { margin: 0 0 .75rem; font-size: 1.35rem; line-height: 1.25 }
p { margin: 0 0 1rem }
.warning { padding: .6rem .8rem; border-radius: .5rem; background: var(--warn-ground); color: var(--warn) }
button { display: block; width: 100%; margin: 0 0 .75rem; padding: .7rem .9rem; text-align: left; font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .5rem; cursor: pointer; overflow-wrap: anywhere }
button:hover { border-color: currentColor }
button:focus-visible { outline: 3px solid #2f81f7; outline-offset: 2px }
small { display: block; color: var(--soft); font-size: .875rem }
`

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The page that asks which of the sample users to be. Each is a button that posts `user`. */
export async function renderSignIn(users: readonly DevUser[], action: string): Promise<Page> {
  return renderPage(
    'Development sign-in',
    html`<h1>Development sign-in</h1>
<p class="warning"><strong>Never for production.</strong> This identity provider asks for no password: choose who you want to be.</p>
<form method="post" action="${action}">
${users.map(
  user => html`<button type="submit" name="user" value="${user.subject}">${user.name}
<small>${user.email} · ${user.groups.length > 0 ? user.groups.join(', ') : 'no groups'}</small></button>
`,
)}</form>`,
  )
}

/** The page for somebody who comes without a login. */
export async function renderWelcome(): Promise<Page> {
  return renderPage(
    'Development identity provider',
    html`<h1>Development identity provider</h1>
<p class="warning"><strong>Never for production.</strong> It is part of the gateway and asks for no password.</p>
<p>There is nothing to do here. You will come back by yourself when you connect an app to the gateway.</p>`,
  )
}

/** The page for a login that cannot go on. `code` and `description` are the error response's own. */
export async function renderProblem(code: string, description: string): Promise<Page> {
  return renderPage(
    'Sign-in failed',
    html`<h1>Sign-in failed</h1>
<p>The development identity provider cannot go on with this sign-in. Start again from the application that sent you here.</p>
<p>${description} <small>${code}</small></p>`,
  )
}

async function renderPage(title: string, content: ReturnType<typeof html>): Promise<Page> {
  const body = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`
  return { body: String(body), contentSecurityPolicy: CONTENT_SECURITY_POLICY }
}
