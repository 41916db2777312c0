import {
  type AgentObserver,
  type BrowserAgent,
  type BrowserAgentOptions,
  createBrowserAgent as createAgent,
} from '../../src/dev/browser-agent.ts'

export type { BrowserAgent, Page } from '../../src/dev/browser-agent.ts'

/** The browser without a screen, here with a log of the secrets that pass. */
export function createBrowserAgent({
  secrets,
  ...options
}: Omit<BrowserAgentOptions, 'observer'> & { secrets?: AgentObserver } = {}): BrowserAgent {
  return createAgent({ ...options, ...(secrets && { observer: secrets }) })
}
