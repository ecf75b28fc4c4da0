export { connectProducer, type ConnectOptions } from "./connect-producer.ts";
export { type HandleMode } from "./publisher.ts";
export { type SendReceipt } from "./send-queue.ts";
export { type ProducerSettings } from "./settings.ts";
export { type StreamHandle } from "./stream-handle.ts";
export { type StreamPlace } from "./stream-position.ts";
export { StreamManager, type StreamManagerOptions } from "./stream-manager.ts";
