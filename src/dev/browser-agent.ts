import { type CookieJar, createCookieJar } from './cookie-jar.ts'
import { type Form, parseForms } from './html-form.ts'

export type Hop = { method: string; url: string; status: number; location?: string }

/** Where a navigation came to rest. */
export type Page = {
  url: string
  /** 0 where the navigation was stopped: nothing was asked of that URL. */
  status: number
  headers: Headers
  html: string
  /** Whether this is the redirect URI of the client. */
  isStop: boolean
  /** Every request of the navigation, in order. */
  hops: Hop[]
}

export type SubmitOptions = {
  /** The button to press, by a part of its label or by its value. Needed where a form has several. */
  button?: string
  /** Fields to send instead of, or besides, those of the form. */
  fields?: Record<string, string>
}

export type BrowserAgent = {
  cookies: CookieJar
  /** Every request of this agent, in order. */
  hops: Hop[]
  open(url: string): Promise<Page>
  submit(page: Page, options?: SubmitOptions): Promise<Page>
}

export type BrowserAgentOptions = {
  /** Where to stop: the client's redirect URI. Its query is free, everything before it has to be equal. */
  stopAt?: string | ((url: URL) => boolean)
  /** Sees everything that passes. */
  observer?: AgentObserver
  /** Sent with every request, besides a browser's own. */
  headers?: Record<string, string>
  /** How requests are sent. Default: over the network. */
  fetch?: (url: URL, init: RequestInit) => Response | Promise<Response>
}

/** Is told of each URL (the one of the stop too), form and `Set-Cookie` field before it is acted upon. */
export type AgentObserver = {
  addUrl(url: string): void
  addForm(form: URLSearchParams): void
  addCookies(setCookie: readonly string[]): void
}

type Navigation = { url: URL; method: string; form?: URLSearchParams; referer?: string }

const MAX_REDIRECTS = 20

/** A browser without a screen: cookies, redirects one by one, forms. */
export function createBrowserAgent(options: BrowserAgentOptions = {}): BrowserAgent {
  const { observer, fetch: send = fetch } = options
  const cookies = createCookieJar()
  const allHops: Hop[] = []
  const isStop = createStop(options.stopAt)

  async function ask(navigation: Navigation): Promise<Response> {
    const { url, method, form } = navigation
    const cookie = cookies.headerFor(url)
    observer?.addUrl(url.href)
    if (form) observer?.addForm(form)
    const response = await send(url, {
      method,
      redirect: 'manual',
      headers: {
        accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
        'user-agent': 'Mozilla/5.0 (headless agent)',
        ...options.headers,
        ...(cookie && { cookie }),
        ...(form && { origin: navigation.referer ?? url.origin }),
      },
      ...(form && { body: form }),
    })
    const setCookie = response.headers.getSetCookie()
    observer?.addCookies(setCookie)
    cookies.store(url, setCookie)
    return response
  }

  async function navigate(start: Navigation): Promise<Page> {
    const hops: Hop[] = []
    let navigation = start
    while (hops.length < MAX_REDIRECTS) {
      if (isStop(navigation.url)) return stopped(navigation.url, hops, observer)
      const response = await ask(navigation)
      const next = nextOf(navigation, response)
      const hop = {
        method: navigation.method,
        url: navigation.url.href,
        status: response.status,
        ...(next && { location: next.url.href }),
      }
      hops.push(hop)
      allHops.push(hop)
      if (!next) return rest(navigation.url, response, hops)
      await response.body?.cancel()
      navigation = next
    }
    throw new Error(`more than ${MAX_REDIRECTS} redirects from ${start.url}`)
  }

  return {
    cookies,
    hops: allHops,
    open: url => navigate({ url: new URL(url), method: 'GET' }),
    submit: (page, choice = {}) => navigate(submission(page, choice)),
  }
}

function createStop(stopAt: BrowserAgentOptions['stopAt']): (url: URL) => boolean {
  if (typeof stopAt === 'function') return stopAt
  return url =>
    stopAt !== undefined && url.href.split('?')[0] === new URL(stopAt).href.split('?')[0]
}

function stopped(url: URL, hops: Hop[], observer: AgentObserver | undefined): Page {
  observer?.addUrl(url.href)
  return { url: url.href, status: 0, headers: new Headers(), html: '', isStop: true, hops }
}

async function rest(url: URL, response: Response, hops: Hop[]): Promise<Page> {
  const html = await response.text()
  const { status, headers } = response
  return { url: url.href, status, headers, html, isStop: false, hops }
}

/** 303 and, as browsers do it, 301 and 302 after a POST turn it into a GET; 307 and 308 repeat it. */
function nextOf(current: Navigation, response: Response): Navigation | undefined {
  const location = response.headers.get('location')
  if (response.status < 300 || response.status > 399 || location === null) return undefined
  const url = new URL(location, current.url)
  const isRepeated = response.status === 307 || response.status === 308
  return isRepeated ? { ...current, url } : { url, method: 'GET' }
}

function submission(page: Page, { button, fields }: SubmitOptions): Navigation {
  const forms = parseForms(page.html, page.url)
  const { form, pressed } = chooseForm(forms, button, page)
  const values = { ...form.hidden, ...(pressed?.name && { [pressed.name]: pressed.value }) }
  const sent = new URLSearchParams({ ...values, ...fields })
  const url = new URL(form.action)
  if (form.method === 'POST') {
    return { url, method: 'POST', form: sent, referer: new URL(page.url).origin }
  }
  url.search = sent.toString()
  return { url, method: 'GET' }
}

function chooseForm(forms: Form[], button: string | undefined, page: Page) {
  const choices = forms.flatMap(form =>
    form.buttons
      .filter(
        ({ label, value }) => button === undefined || label.includes(button) || value === button,
      )
      .map(pressed => ({ form, pressed })),
  )
  const [choice, ...others] = choices
  if (choice && others.length === 0) return choice
  const labels = forms.flatMap(form => form.buttons.map(({ label }) => label))
  throw new Error(
    `${choices.length} buttons of ${page.url} (status ${page.status}) match ${button ?? 'anything'}; there are: ${labels.join(', ') || 'none'}`,
  )
}
