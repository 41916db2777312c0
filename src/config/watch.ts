import { type FSWatcher, statSync, watch } from 'node:fs'
import { dirname } from 'node:path'

export type Watch = {
  /** Watches these from now on, and no others. */
  follow(files: Iterable<string>): void
  close(): void
}

const SETTLE_MS = 250

/**
 * Tells that some of the files may have changed, once it has been quiet for a moment.
 *
 * It is their folders that are watched: a file that is replaced by renaming is another file, and a ConfigMap changes by a link beside it that is turned to another folder.
 *
 * @param onError learns of a folder that cannot be watched; the others still are
 */
export function watchFiles(onChange: () => void, onError: (error: unknown) => void): Watch {
  const watchers = new Map<string, { watcher: FSWatcher; identity: string }>()
  let settling: NodeJS.Timeout | undefined
  const onEvent = (): void => {
    clearTimeout(settling)
    settling = setTimeout(onChange, SETTLE_MS).unref()
  }
  const open = (folder: string): void => {
    try {
      const identity = identify(folder)
      const watcher = watch(folder, { persistent: false }, onEvent)
      watcher.on('error', onError)
      watchers.set(folder, { watcher, identity })
      // It may have changed since it was read.
      onEvent()
    } catch (error) {
      onError(error)
    }
  }
  return {
    follow(files) {
      const folders = new Set([...files].map(file => dirname(file)))
      for (const [folder, { watcher, identity }] of watchers) {
        // Its watcher tells nothing of a folder that has taken its place.
        if (folders.has(folder) && identify(folder) === identity) continue
        watcher.close()
        watchers.delete(folder)
      }
      for (const folder of folders) if (!watchers.has(folder)) open(folder)
    },
    close() {
      clearTimeout(settling)
      for (const { watcher } of watchers.values()) watcher.close()
      watchers.clear()
    },
  }
}

/** Numbers of folders are used again; together with the time when it was made it is one of its own. @returns the same for all that cannot be looked at */
function identify(folder: string): string {
  try {
    const { dev, ino, birthtimeNs } = statSync(folder, { bigint: true })
    return `${dev} ${ino} ${birthtimeNs}`
  } catch {
    return ''
  }
}
