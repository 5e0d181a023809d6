import { type Connection, type Controller, stage, type Transformer } from '../../lib/index.js'

const boom = (): never => {
  throw new Error('boom')
}
const reject = (): never => Promise.reject(new Error('boom')) as never
const later = (): void => void setTimeout(boom)

type Lines = Transformer<string, string>

/** Where a stage may throw, and how. The first connection is the bystander's, the second gets the first of these. */
export const THROWS: readonly (Lines & { readonly title: string; readonly open?: () => Lines })[] = [
  { title: 'open', open: boom },
  ...(['start', 'transform', 'flush'] as const).flatMap(step => [
    { title: step, [step]: boom },
    { title: `${step}, by rejection`, [step]: reject },
    { title: `${step}, in a timer`, [step]: later },
  ]),
  { title: 'close', close: boom },
  { title: 'readComplete', readComplete: boom },
  { title: 'controller.error', transform: (_line, controller) => controller.error(new Error('boom')) },
]

const passing: Lines = {
  transform: (line: string, controller: Controller<string>) => controller.enqueue(line),
}

/** Throws as the number of the connection says. */
export const throwing = stage<string, string>({
  name: 'throwing',
  accepts: 'line',
  emits: 'line',
  open: ({ id }: Connection) => {
    const chosen = THROWS[id - 2]
    if (chosen === undefined) return passing
    const { title: _title, open, ...steps } = chosen
    return open?.() ?? { ...passing, ...steps }
  },
})
