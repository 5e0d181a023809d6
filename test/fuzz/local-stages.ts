import { catalogue } from '../../lib/stages/catalogue.js'
import type { Factories } from './stage-list.js'

/** Stages whose output is that of another server, and not made of their input alone. */
const ELSEWHERE: readonly string[] = ['upstream']

/** The stages of the catalogue whose output is made of their input. */
export const localStages: Factories = new Map([...catalogue].filter(([name]) => !ELSEWHERE.includes(name)))
