export { type Gap, type StreamChunk, type StreamEnd } from "./chunks.ts";
export { createClient, type Client, type ClientOptions } from "./client.ts";
export { type StorageLike } from "./memory.ts";
export { SluiceError, type SluiceErrorCode } from "./sluice-error.ts";
export { Stream, type StreamEvents, type StreamOptions, type StreamState } from "./stream.ts";
export { StreamClient } from "./stream-client.ts";
export { type Chunk, type ChunkMetadata, type ChunkType, type EndStatus, type JsonValue } from "@sluice/core";
