import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'
import type { Certificate } from './self-signed.ts'

/**
 * Puts `tls.crt` and `tls.key` into a folder as Kubernetes mounts a secret: files behind a link that is turned.
 *
 * @returns what mounts another certificate in place of the first
 */
export async function mountCertificate(
  folder: string,
  first: Certificate,
): Promise<(certificate: Certificate) => Promise<void>> {
  let version = 0
  const mount = async ({ cert, key }: Certificate) => {
    version += 1
    const data = join(folder, `..${version}`)
    await mkdir(data)
    await writeFile(join(data, 'tls.crt'), cert)
    await writeFile(join(data, 'tls.key'), key)
    await symlink(data, join(folder, '..next'))
    await rename(join(folder, '..next'), join(folder, '..data'))
  }
  await mount(first)
  for (const file of ['tls.crt', 'tls.key']) await symlink(join('..data', file), join(folder, file))
  return mount
}

/** A connection of a client that believes any certificate. */
export async function openTls(port: number): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** Which certificate a new connection is shown. @see idOf */
export async function shownBy(port: number): Promise<string | undefined> {
  const socket = await openTls(port)
  const certificate = socket.getPeerX509Certificate()
  socket.destroy()
  return certificate?.fingerprint256
}

export function idOf({ cert }: Certificate): string {
  return new X509Certificate(cert).fingerprint256
}
