import { isStageFactory, type StageFactory } from '../definition.js'
import * as stages from './index.js'

/** Every stage that comes with bywash, by its name, and in the order of names. */
export const catalogue: ReadonlyMap<string, StageFactory> = new Map(
  Object.values(stages)
    .filter(isStageFactory)
    .map(factory => [factory.definition.name, factory]),
)
