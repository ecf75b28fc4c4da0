export { connectProducer, createManager, type ConnectOptions } from "./connect-producer.ts";
export { assertChunks } from "./encoded-chunk.ts";
export {
  type ErrorDescription,
  type PipeItem,
  type PipeOptions,
  type PipeOutcome,
  type PipeSource,
} from "./pipe.ts";
export { type HandleMode } from "./publisher.ts";
export { type SendReceipt } from "./send-queue.ts";
export { type ProducerSettings } from "./settings.ts";
export { type Confirmation, type SendOptions, type StreamHandle } from "./stream-handle.ts";
export { type StreamPlace } from "./stream-position.ts";
export { type CreateOptions, type OpenOptions } from "./stream-creation.ts";
export { StreamManager, type CreatedStream, type StreamManagerOptions } from "./stream-manager.ts";
