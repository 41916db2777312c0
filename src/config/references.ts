/** `${NAME}`, `${NAME:-default}` and `file:` in the strings of a configuration. `$${` stands for `${` itself. */
import { fileURLToPath } from 'node:url'
import type { Path } from './error.ts'
import { Malformed } from './malformed.ts'
import { mapStrings } from './tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What references are resolved against. */
export type Sources = {
  env: Environment
  /**
   * Reads a file that the configuration refers to.
   *
   * @param path as written: relative to the configuration file, or absolute
   * @throws whatever says why it cannot be read; `code` is shown
   */
  readFile(path: string): string
}

export type UnresolvedReference = { path: Path; message: string }

/**
 * Replaces the references of a whole tree. What cannot be resolved is listed, all of it, and `undefined` in the tree.
 *
 * What a variable or a file holds is taken as it is: it cannot refer further, so whoever sets a variable cannot make the gateway read a file.
 */
export function resolveReferences(
  tree: unknown,
  sources: Sources,
): { tree: unknown; unresolved: UnresolvedReference[] } {
  const unresolved: UnresolvedReference[] = []
  const resolveOne = (text: string, path: Path): string | undefined => {
    try {
      return resolveText(text, sources)
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      unresolved.push({ path, message: error.message })
      return undefined
    }
  }
  return { tree: mapStrings(tree, resolveOne), unresolved }
}

/** The spelling of a text that comes back from `resolveReferences` unchanged. */
export function escapeReferences(text: string): string {
  // A function, since `$$` in a replacement string means one `$`.
  return text.replaceAll('${', found => `$${found}`)
}

function resolveText(text: string, { env, readFile }: Sources): string {
  const value = interpolate(text, env)
  if (!text.startsWith('file:')) return value
  const file = pathOf(value)
  try {
    return readFile(file).replace(/\r?\n$/, '')
  } catch (error) {
    throw new Malformed(`file ${file} cannot be read: ${unreadableBecause(error)}`)
  }
}

function interpolate(text: string, env: Environment): string {
  const missing: string[] = []
  const value = text.replaceAll(/\$\$\{|\$\{([^}]*)\}|\$\{/g, (whole, body?: string) => {
    if (whole === '$${') return '${'
    const [, name, fallback] = /^([A-Za-z_]\w*)(?::-((?:(?!\$\{).)*))?$/s.exec(body ?? '') ?? []
    if (name === undefined) {
      throw new Malformed(`expected \${NAME} or \${NAME:-default}; write $\${ for \${ itself`)
    }
    const found = Object.hasOwn(env, name) ? env[name] : undefined
    // As in a shell: an empty variable takes the default too.
    if (fallback !== undefined) return found || fallback
    if (found === undefined) missing.push(name)
    return found ?? ''
  })
  if (missing.length > 0) {
    const names = [...new Set(missing)].join(', ')
    throw new Malformed(`environment variable ${names} is not set`)
  }
  return value
}

function pathOf(reference: string): string {
  if (!reference.startsWith('file://')) return reference.slice('file:'.length)
  try {
    return fileURLToPath(reference)
  } catch {
    throw new Malformed('expected file: and a path')
  }
}

/** Why a file cannot be read, for people. */
export function unreadableBecause(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'permission denied'
  if (code === 'EISDIR') return 'it is a directory'
  return typeof code === 'string' ? code : 'unknown reason'
}
