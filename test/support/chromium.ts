import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

/** A headless Chromium of the machine's own. Chromium refuses its sandbox to root, so root goes without. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(process.env.PATH ?? ''),
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  })
}

function findChromium(path: string): string {
  const folders = ['/usr/bin', ...path.split(delimiter)]
  const candidates = NAMES.flatMap(name => folders.map(folder => join(folder, name)))
  const found = candidates.find(isExecutable)
  if (found === undefined) {
    throw new Error(
      `no Chromium found (looked for ${NAMES.join(', ')}); install the package chromium`,
    )
  }
  return found
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
