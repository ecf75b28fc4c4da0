/** The relay of all tabs of this browser. */
import { openFromEdge } from "./edge-source.ts";
import { loadWebConfig } from "../shell/web-config.ts";
import type { ToRelay } from "./relay.ts";
import { createRelay, NETWORK_IS_BACK, servePort } from "./serve-port.ts";

const relay = loadWebConfig().then(({ edgeUrl }) => createRelay(openFromEdge(edgeUrl)));

// The types of pages don't know a SharedWorker's own event.
addEventListener("connect" as "message", ({ ports: [port] }: MessageEvent) => {
  if (port === undefined) return;
  servePort(port, relay);
  port.addEventListener("message", ({ data }: MessageEvent<ToRelay | typeof NETWORK_IS_BACK>) => {
    if (data === NETWORK_IS_BACK) tellNetworkIsBack();
  });
});

// All tabs say so in the same moment.
const ONCE_MS = 1_000;
let toldMs = 0;

/** A SharedWorker isn't told by Chrome. The client listens for this event, and asks again at once. */
function tellNetworkIsBack(): void {
  if (Date.now() - toldMs < ONCE_MS) return;
  toldMs = Date.now();
  dispatchEvent(new Event("online"));
}
