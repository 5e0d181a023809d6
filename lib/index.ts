export { type AsyncMapOptions, asyncMap } from './async-map.js'
export type { Clock, Timer } from './clock.js'
export { Connection, type Endpoints } from './connection.js'
export { type ConnectionOptions, farewell } from './connection-options.js'
export { defineStage, type OptionsOf, type SettingsOf, type StageAbout } from './define-stage.js'
export type { Definition, OptionTable, StageFactory, Variant } from './definition.js'
export {
  BindError,
  BywashError,
  type ErrorCode,
  FrameTooLongError,
  HandshakeError,
  InvalidFrameError,
  InvalidOptionError,
  InvalidUtf8Error,
  PeerError,
  RefusedError,
  StageError,
  StageOrderError,
  TimeoutError,
  WorkerError,
} from './errors.js'
export type { Frame, ItemKinds, ItemOf, Kind, KindOf } from './kind.js'
export { listen } from './listen.js'
export type { SystemdDescriptor } from './listen-address.js'
export type { ListenOptions } from './listen-options.js'
export type { Listener } from './listener.js'
export * as option from './option.js'
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
export * from './stages/index.js'
export type { TlsOptions } from './tls-options.js'
