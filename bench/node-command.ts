import { fileURLToPath } from 'node:url'

/** The command that runs one of the bench's own files. */
export function nodeCommand(file: string): readonly string[] {
  const path = fileURLToPath(new URL(file, import.meta.url))
  return [process.execPath, '--expose-gc', '--import', import.meta.resolve('tsx'), path]
}
