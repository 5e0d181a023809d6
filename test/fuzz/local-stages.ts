import { catalogue } from '../../lib/stages/catalogue.js'
import type { Factories } from './stage-list.js'

/** Stages whose output is that of another server or program, and not made of their input alone. */
const ELSEWHERE: readonly string[] = ['upstream', 'exec']

/** The stages of the catalogue whose output is made of their input. */
export const localStages: Factories = new Map([...catalogue].filter(([name]) => !ELSEWHERE.includes(name)))
