/** The relay of all tabs of this browser. */
import { openFromEdge } from "./edge-source.ts";
import { loadWebConfig } from "../shell/web-config.ts";
import { createRelay, servePort } from "./serve-port.ts";

const relay = loadWebConfig().then(({ edgeUrl }) => createRelay(openFromEdge(edgeUrl)));

// The types of pages don't know a SharedWorker's own event.
addEventListener("connect" as "message", ({ ports: [port] }: MessageEvent) => {
  if (port !== undefined) servePort(port, relay);
});
