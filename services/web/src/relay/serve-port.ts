import { Relay, type OpenSource, type ToRelay } from "./relay.ts";

// Short against what an eye notices, long against the pace of a model: some tokens travel together.
const BATCH_MS = 30;
const LINGER_MS = 5_000;

/** Not a message for the relay, but for the worker that it runs in. */
export const NETWORK_IS_BACK = "network is back";

export function createRelay(open: OpenSource): Relay {
  return new Relay({ open, soon: (callback) => setTimeout(callback, BATCH_MS), lingerMs: LINGER_MS });
}

/** Serves one page until it says goodbye, or its end of the channel is gone. */
export function servePort(port: MessagePort, relay: Promise<Relay>): void {
  // Promises keep the order of the messages.
  const hand = (message: ToRelay): void => void relay.then((ready) => ready.take(port, message));
  port.addEventListener("message", ({ data }: MessageEvent<ToRelay | typeof NETWORK_IS_BACK>) => {
    if (data !== NETWORK_IS_BACK) hand(data);
  });
  port.addEventListener("close", () => hand({ kind: "bye" }));
  port.start();
}
