// Stages of your own, for texts and files:
//   npx bywash run 'lines | reverse | repeat --times 3 | to-lines' --import ./examples/my-stages.js
//   npx bywash stages repeat --import ./examples/my-stages.js
import { defineStage, map, option } from 'bywash'

/** A stage without options can be exported as it is. */
export const reverse = map('reverse', line => [...line].reverse().join(''))

/** The options of a stage made with `defineStage()` are checked in code, in texts and in files, and shown by `bywash stages`. */
export const repeat = defineStage({
  name: 'repeat',
  summary: 'writes each line several times',
  accepts: 'line',
  emits: 'line',
  options: {
    times: option.integer({ help: 'how often', minimum: 1, maximum: 9, default: 2 }),
  },
  memory: ({ times }) => ({ perByte: times }),
  examples: ['lines | repeat --times 3 | to-lines'],
  make: ({ times }) => map('repeat', line => line.repeat(times)),
})
