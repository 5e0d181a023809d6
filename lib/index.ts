export { type AsyncMapOptions, asyncMap } from './async-map.js'
export type { Bytewise } from './block-role.js'
export type { Clock, Timer } from './clock.js'
export { Connection, type Endpoints } from './connection.js'
export { type ConnectionOptions, farewell } from './connection-options.js'
export {
  BindError,
  BywashError,
  type ErrorCode,
  FrameTooLongError,
  InvalidFrameError,
  InvalidOptionError,
  InvalidUtf8Error,
  PeerError,
  StageError,
  StageOrderError,
} from './errors.js'
export type { Frame, ItemKinds, ItemOf, Kind, KindOf } from './kind.js'
export { listen } from './listen.js'
export type { ListenOptions } from './listen-options.js'
export type { Listener } from './listener.js'
export type { Outcome, Reason } from './outcome.js'
export { type HandleOptions, type Pipeline, pipeline } from './pipeline.js'
export type { ExplainedSegment, Explanation, PlanMode } from './plan.js'
export {
  type Controller,
  fromStream,
  map,
  type OpenStream,
  type Stage,
  type StageDefinition,
  type StreamStage,
  stage,
  type Transformer,
  type TransformerStage,
  tap,
} from './stage.js'
export type { Passed, StageCounts } from './stage-counts.js'
// The catalogue is 'bywash/stages'. Here are the stages of the presets only: each file more is time that every start takes.
export { type Count, type CounterOptions, counter } from './stages/counter.js'
export type { LineProfile } from './stages/line-profiles.js'
export type { LinesOptions } from './stages/line-rules.js'
export { lines } from './stages/lines.js'
export { type UnlinesOptions, unlines } from './stages/unlines.js'
export { uppercase } from './stages/uppercase.js'
export { welcome } from './stages/welcome.js'
