import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KEY, OTHER_KEY, type Surroundings } from '../config/support.ts'
import { createCertificate } from '../support/upstreams/certificate.ts'

export const ROOT = join(import.meta.dirname, '../..')

const { key, certificate } = createCertificate()

/** What the documented configurations refer to. */
export const SURROUNDINGS: Surroundings = {
  env: {
    REDIS_URL: 'redis://redis:6379',
    CLIENT_ID: 'gateway',
    CLIENT_SECRET: 'secret-of-the-gateway',
    AZURE_CLIENT_ID: 'gateway',
    AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/azure/tokens/azure-identity-token',
  },
  files: {
    '/run/secrets/gateway-key': KEY,
    '/run/secrets/gateway-key-1': KEY,
    '/run/secrets/gateway-key-2': OTHER_KEY,
    '/run/secrets/client-secret': 'secret-of-the-gateway',
    '/run/secrets/client.key': key,
    '/run/secrets/client.crt': certificate,
  },
}

export type DocPage = { file: string; text: string }

/** A fenced block; its indentation is that of its fence, taken away. */
export type Block = { file: string; line: number; language: string; text: string }

/** Every page that people read: those at the root and all in `docs`. */
export function readPages(): DocPage[] {
  const inDocs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  const files = [...readdirSync(ROOT), ...inDocs.map(file => `docs/${file}`)]
  return files.filter(file => file.endsWith('.md')).map(readPage)
}

export function readPage(file: string): DocPage {
  return { file, text: readFileSync(join(ROOT, file), 'utf8') }
}

export function blocksOf({ file, text }: DocPage): Block[] {
  return [...text.matchAll(/^( *)```(\w*)\n(.*?)^ *```$/gms)].map(match => {
    const [, indent = '', language = '', content = ''] = match
    return {
      file,
      line: text.slice(0, match.index).split('\n').length,
      language,
      text: content.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }
  })
}

/** The page without its fenced blocks. */
export function proseOf({ text }: DocPage): string {
  return text.replaceAll(/^ *```.*?^ *```$/gms, '')
}

/** The anchor that a heading gets where Markdown is shown. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

export function anchorsOf(page: DocPage): string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
}
