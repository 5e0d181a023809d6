import { stage } from 'bywash'

/** Puts what a client sends into an error: one that it throws, and one that nobody catches. Text with a dot is fine. */
export const repeating = stage({
  name: 'repeating',
  accepts: 'bytes',
  emits: 'bytes',
  open: () => ({
    transform(chunk, controller) {
      const text = chunk.toString()
      if (text === '.') controller.enqueue(chunk)
      else if (text.startsWith('!')) void Promise.reject(new Error(text))
      else throw new Error(text)
    },
  }),
})
