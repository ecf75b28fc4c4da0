export { SluiceProvider, useSluiceClient } from "./sluice-provider.ts";
export { type StreamStatus } from "./stream-store.ts";
export {
  useStream,
  useStreamText,
  type StreamTextView,
  type StreamView,
  type UseStreamOptions,
} from "./use-stream.ts";
