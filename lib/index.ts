export type { Clock, Timer } from './clock.js'
export {
  Connection,
  type Endpoints,
  type IdleTimeoutOptions,
  type StateKey,
  stateKey,
  type TlsInfo,
} from './connection.js'
export { defineStage, type StageAbout } from './define-stage.js'
export type { Definition, StageFactory, StageMemory, Variant } from './definition.js'
export { type ConnectionOptions, farewell } from './engine/connection-options.js'
export type { ExplainedSegment, Explanation } from './engine/explain.js'
export type { PlanMode } from './engine/planned-stage.js'
export { type ToStreamOptions, toStream, toWeb } from './engine/to-stream.js'
export {
  BindError,
  BywashError,
  CopyError,
  type ErrorCode,
  ExecError,
  type Fault,
  FrameTooLongError,
  HandshakeError,
  InvalidFrameError,
  InvalidOptionError,
  InvalidUtf8Error,
  MoreFaultsError,
  PeerError,
  RefusedError,
  SlowConsumerError,
  StageError,
  StageOrderError,
  StderrError,
  TimeoutError,
  TooManyTopicsError,
  UpstreamError,
  WorkerError,
} from './errors.js'
export type { Frame, ItemKinds, ItemOf, Kind, KindOf } from './kind.js'
export type { SystemdDescriptor } from './listener/address/listen-address.js'
export { listen } from './listener/listen.js'
export type { ListenOptions } from './listener/listen-options.js'
export type { Listener } from './listener/listener.js'
export type { WebSocketOptions } from './listener/websocket/websocket-options.js'
export type { WorkersOptions } from './listener/workers/workers-options.js'
export type { OptionTable } from './options/option.js'
export * as option from './options/option.js'
export type { OptionsOf, SettingsOf } from './options/option-values.js'
export type { TlsOptions } from './options/tls-options.js'
export type { Outcome, Reason } from './outcome.js'
export { type HandleOptions, type Pipeline, pipeline } from './pipeline.js'
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
export { type AsyncMapOptions, asyncMap, type Call } from './stages/functions/async-map.js'
export { type DecodeOptions, decode, type FrameParser } from './stages/functions/decode.js'
export type { ByteOrder, FrameReader, Reading } from './stages/functions/frame-reader.js'
export { type FromWebOptions, fromWeb } from './stages/functions/from-web.js'
export { type GenerateOptions, generate } from './stages/functions/generate.js'
export { type Semaphore, semaphore } from './stages/functions/semaphore.js'
export * from './stages/index.js'
export { RespError, type RespNull, type RespValue, respNull } from './stages/protocols/resp-value.js'
export type { Bus, BusConnection, BusEvents } from './stages/rooms/bus.js'
export type { BusServerOptions } from './stages/rooms/bus-client.js'
export {
  type BroadcastOptions,
  type Hub,
  type HubOptions,
  hub,
  type SubscriberOptions,
  type Topic,
} from './stages/rooms/hub.js'
export { nats } from './stages/rooms/nats.js'
export { redis } from './stages/rooms/redis.js'
export type { OnSlow } from './stages/rooms/subscriber.js'
export type {
  ConnectionCloseEvent,
  ConnectionErrorEvent,
  ConnectionOpenEvent,
  ListenerEvent,
  ListenerRefuseEvent,
  StageErrorEvent,
} from './status/diagnostics.js'

export type {
  Amount,
  ConnectionStatus,
  Culprit,
  HubStatus,
  ItemTime,
  Observe,
  OpenConnections,
  ProcessStatus,
  RefusalReason,
  Shares,
  StageStatus,
  Status,
  Traffic,
  UpstreamStatus,
  Windows,
  WorkerStatus,
} from './status/status.js'
export type { Tap, TapEvent, TapPoint } from './status/taps/tap-event.js'
export type { TapOptions } from './status/taps/tap-options.js'

export { serveStatus } from './status-server/serve-status.js'
export type { StatusServerOptions } from './status-server/status-options.js'
export type { StatusServer } from './status-server/status-server.js'
export type { StatusSource, StatusSources } from './status-server/status-source.js'
