import {
  mergeConnectionPages,
  StreamError,
  type ConnectionPage,
  type ConnectionQuery,
  type EdgePeers,
  type EdgePod,
  type StreamChange,
} from "@sluice/core";
import { podOf, type ConnectionTracker } from "../connection/connection-registry.ts";
import { MultiConnection } from "../connection/multi-connection.ts";
import type { EdgeSettings } from "../settings.ts";

/** This pod, as the others see it. */
export function edgePod(tracker: ConnectionTracker): EdgePod {
  return {
    changeStreams: async (change) => {
      const tracked = tracker.get(change.connectionId);
      if (tracked === undefined) throw notFound();
      const { carries } = tracked;
      if (!(carries instanceof MultiConnection)) {
        throw new StreamError(
          "INVALID_REQUEST",
          "the connection carries one stream only: GET /streams/events",
        );
      }
      if (change.kind === "drop") carries.drop(change.streamId);
      else await carries.add(change.streamId, change.start);
    },
    listConnections: (query) => tracker.list(query),
  };
}

/** Asks whichever pod has a connection, this one among them. */
export class PeerDesk {
  readonly #peers: EdgePeers;
  readonly #tracker: ConnectionTracker;
  readonly #own: EdgePod;
  readonly #timeoutMs: number;

  constructor(peers: EdgePeers, tracker: ConnectionTracker, settings: Pick<EdgeSettings, "peerTimeoutMs">) {
    this.#peers = peers;
    this.#tracker = tracker;
    this.#own = edgePod(tracker);
    this.#timeoutMs = settings.peerTimeoutMs;
  }

  /** @throws StreamError as EdgePeers does */
  async changeStreams(change: StreamChange): Promise<void> {
    const podId = podOf(change.connectionId);
    if (podId === null) throw notFound();
    if (podId === this.#tracker.podId) await this.#own.changeStreams(change);
    else await this.#peers.changeStreams(podId, change, this.#timeoutMs);
  }

  /** One page over all pods that answer. @throws StreamError CONNECTION */
  async listAll(query: ConnectionQuery): Promise<ConnectionPage> {
    const pages = await this.#peers.listConnections(query, this.#timeoutMs);
    return mergeConnectionPages(pages, query.limit);
  }
}

function notFound(): StreamError {
  return new StreamError("CONNECTION_NOT_FOUND", "there is no such connection");
}
