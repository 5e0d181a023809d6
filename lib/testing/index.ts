export { type ChunkingsOptions, chunkings } from './chunkings.js'
export { connect, type TestClient } from './connect.js'
export { type FakeClock, fakeClock } from './fake-clock.js'
export { type RunStageOptions, runStage } from './run-stage.js'
