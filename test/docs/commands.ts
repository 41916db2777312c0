import type { DocPage } from './pages.ts'
import { blocksOf, proseOf } from './pages.ts'

/** A command as a page shows it, in a block or in a line. */
export type Command = { file: string; text: string }

const SHELLS = new Set(['sh', 'bash', 'shell', 'console'])
/** What a span of code begins with that somebody would type. */
const PROGRAMS =
  /^(npx|npm|node|mcp-auth-gateway|curl|redis-cli|promtool|openssl|grep|docker|helm|kubectl|claude|codex|code|git|apt-get|sudo|kill|printf) \S/

/** Every command of a page. A block that sets a variable is one command: its lines need each other. */
export function commandsOf(page: DocPage): Command[] {
  const { file } = page
  const inBlocks = blocksOf(page)
    .filter(({ language }) => SHELLS.has(language))
    .flatMap(({ text }) => splitBlock(text))
  const inLines = [...proseOf(page).matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)]
    .map(([, text = '']) => text)
    .filter(text => PROGRAMS.test(text))
  return [...inBlocks, ...inLines].map(text => ({ file, text }))
}

function splitBlock(text: string): string[] {
  const lines = text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map(line => line.replace(/(^|\s+)#\s.*$/, '').trim())
    .filter(line => line !== '')
  return lines.some(line => /^\w+=/.test(line)) ? [lines.join('\n')] : lines
}

/** How it is known that a command does what its page says. The first row that fits counts. */
export type Row = { command: RegExp } & (
  | { runs: Expectation }
  | { provedBy: { file: string; title: string } }
  | { cannotRun: string }
)

/** What `test/flow/documented-commands.test.ts` expects when it runs the command as the page has it. */
export type Expectation = {
  prints: RegExp
  /** Default 0. */
  code?: number
  /** It runs until it is ended, and has printed that by then. */
  isServer?: true
  /** It writes these files of the checkout as they are there; it is run in a copy. */
  writes?: readonly string[]
}

const SUITE = 'it is how the tests are started, or a part of that'
const CLIENT = 'it is a command of a client that is not here'

export const ROWS: readonly Row[] = [
  { command: /^npm (ci|cit|test)$/, cannotRun: SUITE },
  { command: /^npm run (check|fix|test:\w+)$/, cannotRun: SUITE },
  { command: /^npx vitest run test\/domain\/grant\.test\.ts$/, cannotRun: SUITE },
  { command: /^npm ci && npm start$/, runs: { prints: /demo\/mcp/, isServer: true } },
  { command: /^npm (start|run dev)$/, runs: { prints: /demo\/mcp/, isServer: true } },
  { command: /^npm run demo$/, runs: { prints: /Revoke/ } },
  {
    command: /^npm run demo -- --url /,
    provedBy: {
      file: 'test/deploy/compose.test.ts',
      title: 'lets the demo flow pass through it to %s',
    },
  },
  {
    command: /^npm pack$/,
    provedBy: {
      file: 'test/flow/package.test.ts',
      title: 'has what runs and what describes it, and nothing of development',
    },
  },
  {
    command: /^npm run generate$/,
    runs: { prints: /generate\.ts/, writes: ['gateway.schema.json', 'docs/configuration.md'] },
  },
  {
    command: /^npm run bench( |$)/,
    cannotRun: 'it takes minutes, two processors of its own, nginx and wrk',
  },
  {
    command: /^npm run soak( |$)/,
    provedBy: {
      file: 'test/fault/soak.test.ts',
      title: 'logs nobody out, and asks the IdP once for each token, while replicas come and go',
    },
  },
  { command: /^npx mcp-auth-gateway keys$/, runs: { prints: /^[\w+/]{43}=\n$/m } },
  {
    command: /^npx mcp-auth-gateway check( --config my\.config\.yaml)?$/,
    runs: { prints: /is valid: http/ },
  },
  {
    command: /^(npx mcp-auth-gateway( start --config my\.config\.yaml)?|node src\/main\.ts)$/,
    runs: { prints: /\/mcp/, isServer: true },
  },
  { command: /^npx @modelcontextprotocol\/inspector /, runs: { prints: /http:/, isServer: true } },
  {
    command: /^npx -y @modelcontextprotocol\/inspector@latest /,
    provedBy: {
      file: 'test/flow/tools.test.ts',
      title: 'in the era %s lists the tools and calls one',
    },
  },
  {
    command: /^npx -y mcp-remote /,
    provedBy: {
      file: 'test/flow/tools.test.ts',
      title: 'signs in through a browser, calls a tool, and needs no browser the next time',
    },
  },
  { command: /^mcp-auth-gateway check$/, runs: { prints: /is valid: http/ } },
  { command: /^mcp-auth-gateway check --effective$/, runs: { prints: /^publicUrl: http/m } },
  { command: /^mcp-auth-gateway keys$/, runs: { prints: /^[\w+/]{43}=\n$/m } },
  { command: /^mcp-auth-gateway doctor( --token-file token)?$/, runs: { prints: /issuer/ } },
  { command: /^mcp-auth-gateway backends$/, runs: { prints: /serving/ } },
  { command: /^mcp-auth-gateway grants --subject /, runs: { prints: /alice/ } },
  { command: /^mcp-auth-gateway revoke --grant /, runs: { prints: /^1 grant revoked$/m } },
  {
    command: /^mcp-auth-gateway revoke --(subject|everything)/,
    runs: { prints: /\d grants? revoked/ },
  },
  { command: /^mcp-auth-gateway deny /, runs: { prints: /client denied/ } },
  { command: /^mcp-auth-gateway lift /, runs: { prints: /the client was not denied/ } },
  { command: /^mcp-auth-gateway explain --/, runs: { prints: /the call is let through/ } },
  { command: /^mcp-auth-gateway explain$/, runs: { prints: /required option/, code: 1 } },
  { command: /^curl https:\/\/mcp\.example\.com\/token -u /, runs: { prints: /"access_token"/ } },
  { command: /^curl -i .*oauth-authorization-server$/, runs: { prints: /^HTTP\/1\.1 200/m } },
  { command: /^curl .*\/readyz$/, runs: { prints: /serving/ } },
  { command: /^curl -sS -o \/dev\/null -w /, runs: { prints: /^200 [\d.]+$/m } },
  { command: /^redis-cli -u "\$REDIS_URL" ping$/, runs: { prints: /^PONG$/m } },
  {
    command: /^redis-cli -u "\$REDIS_URL" (slowlog get 10|latency latest)$/,
    runs: { prints: /^(?!.*(ERR|NOAUTH|WRONGPASS|refused))/s },
  },
  { command: /^secret=\$\(openssl rand /, runs: { prints: /^sha256:[0-9a-f]{64}$/m } },
  { command: /^grep '/, runs: { prints: /"outcome":"failed"/ } },
  { command: /^promtool check rules /, runs: { prints: /SUCCESS: \d+ rules found/ } },
  { command: /^(claude|codex|code) /, cannotRun: CLIENT },
  {
    command: /^for name in gateway-key client-secret;/,
    provedBy: {
      file: 'test/deploy/documentation.test.ts',
      title: 'makes secrets that the gateway takes',
    },
  },
  {
    command: /^for name in gateway-1 gateway-2 gateway-3;/,
    provedBy: {
      file: 'test/deploy/rolling-restart.test.ts',
      title: 'loses no request and cuts no stream',
    },
  },
  {
    command: /^node src\/main\.ts start --config \/etc\/mcp-auth-gateway\//,
    provedBy: {
      file: 'test/deploy/dockerfile.test.ts',
      title: 'serves with nothing on the path but node, writing nowhere',
    },
  },
  {
    command: /^(nginx -t|haproxy -c|caddy validate) /,
    provedBy: {
      file: 'test/deploy/documentation.test.ts',
      title: 'asks a load balancer to check its sample in words that it knows: %s',
    },
  },
  { command: /^envoy --mode validate /, cannotRun: 'there is no Envoy' },
  { command: /^(docker|helm|kubectl) /, cannotRun: 'there is no container engine and no cluster' },
  { command: /^(sudo )?apt-get install /, cannotRun: 'it changes the machine' },
]

export function findRow(text: string): Row | undefined {
  return ROWS.find(({ command }) => command.test(text))
}
