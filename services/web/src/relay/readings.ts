import { Store } from "../shell/store.ts";
import type { WebConfig } from "../shell/web-config.ts";
import { openFromEdge } from "./edge-source.ts";
import { pushPiece, type Reading } from "./reading.ts";
import type { FromRelay, ToRelay } from "./relay.ts";
import { createRelay, NETWORK_IS_BACK, servePort } from "./serve-port.ts";

/** A page's readings, which come from the relay that all tabs share. */
export class Readings {
  readonly #port: MessagePort;
  readonly #followed = new Map<string, Store<Reading | null>>();

  constructor(config: WebConfig) {
    this.#port = connectRelay(config);
    this.#port.addEventListener("message", (event: MessageEvent<FromRelay>) => this.#take(event.data));
    this.#port.start();
    // A page that the browser keeps for "back" must not keep streams open; it follows again when it is shown.
    addEventListener("pagehide", () => this.#send({ kind: "bye" }));
    addEventListener("online", () => this.#port.postMessage(NETWORK_IS_BACK));
    addEventListener("pageshow", (event) => {
      if (event.persisted)
        for (const streamId of this.#followed.keys()) this.#send({ kind: "follow", streamId });
    });
  }

  /** Null until the relay has answered. */
  follow(streamId: string): Store<Reading | null> {
    const followed = this.#followed.get(streamId);
    if (followed !== undefined) return followed;
    const store = new Store<Reading | null>(null);
    this.#followed.set(streamId, store);
    this.#send({ kind: "follow", streamId });
    return store;
  }

  leave(streamId: string): void {
    if (this.#followed.delete(streamId)) this.#send({ kind: "leave", streamId });
  }

  #send(message: ToRelay): void {
    this.#port.postMessage(message);
  }

  #take(message: FromRelay): void {
    if (message.kind === "reading") {
      this.#followed.get(message.reading.streamId)?.set(message.reading);
      return;
    }
    const store = this.#followed.get(message.streamId);
    if (!store?.value) return;
    const pieces = [...store.value.pieces];
    for (const piece of message.pieces) pushPiece(pieces, piece);
    store.set({ ...store.value, status: message.status, pieces });
  }
}

/** Where there is no SharedWorker (Chrome on phones) the page has a relay of its own: there, one tab is shown at a time. */
function connectRelay(config: WebConfig): MessagePort {
  if (typeof SharedWorker !== "undefined") {
    return new SharedWorker(new URL("./relay-worker.ts", import.meta.url), { type: "module", name: "sluice" })
      .port;
  }
  const { port1, port2 } = new MessageChannel();
  servePort(port2, Promise.resolve(createRelay(openFromEdge(config.edgeUrl))));
  return port1;
}
