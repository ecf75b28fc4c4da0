import type { StreamInfo } from "@nats-io/jetstream";
import { CHUNKS_STREAM } from "@sluice/protocol";
import { askLog } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";

/** Reads the server's state of the log. @throws StreamError LOG_UNAVAILABLE */
export function readLogInfo(link: NatsLink): Promise<StreamInfo> {
  return askLog("ask for its state", async () => link.jetStreamManager.streams.info(CHUNKS_STREAM));
}

/** How full the log is, 0 to 1, by the limit that is nearer; 0 where it has none. */
export function fullnessOf({ config, state }: StreamInfo): number {
  return Math.max(shareOf(state.bytes, config.max_bytes), shareOf(state.messages, config.max_msgs));
}

/** JetStream writes "no limit" as −1 or 0. */
function shareOf(used: number, limit: number): number {
  return limit > 0 ? used / limit : 0;
}
