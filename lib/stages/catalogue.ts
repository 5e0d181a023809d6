import { isStageFactory, type StageFactory } from '../definition.js'
import * as stages from './index.js'

/** The factories of all stages that come with bywash, by the name of the stage and in the order of names. */
export const catalogue: ReadonlyMap<string, StageFactory> = new Map(
  Object.values(stages)
    .filter(isStageFactory)
    .map(factory => [factory.definition.name, factory]),
)
