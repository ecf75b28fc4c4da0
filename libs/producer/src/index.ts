export { connectProducer, createManager, type ConnectOptions } from "./connect-producer.ts";
export { type PipeItem, type PipeOptions, type PipeOutcome, type PipeSource } from "./pipe.ts";
export { type HandleMode } from "./publisher.ts";
export { type SendReceipt } from "./send-queue.ts";
export { type ProducerSettings } from "./settings.ts";
export { type Confirmation, type SendOptions, type StreamHandle } from "./stream-handle.ts";
export {
  StreamManager,
  type CreateOptions,
  type OpenOptions,
  type StreamManagerOptions,
} from "./stream-manager.ts";
