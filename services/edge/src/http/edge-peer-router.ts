import {
  mergeConnectionPages,
  StreamError,
  type ConnectionPage,
  type ConnectionQuery,
  type EdgePeers,
  type EdgePod,
  type StreamChange,
} from "@sluice/core";
import { podOf, type ConnectionRegistry } from "../connection/connection-registry.ts";
import { MultiConnection } from "../connection/multi-connection.ts";
import type { EdgeSettings } from "../config.ts";

/** Shows this pod to the others. */
export function edgePod(connectionRegistry: ConnectionRegistry): EdgePod {
  return {
    changeStreams: async (change) => {
      const tracked = connectionRegistry.get(change.connectionId);
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
    listConnections: (query) => connectionRegistry.list(query),
  };
}

/** Asks whichever pod has a connection, this one among them. */
export class EdgePeerRouter {
  readonly #peers: EdgePeers;
  readonly #connectionRegistry: ConnectionRegistry;
  readonly #own: EdgePod;
  readonly #timeoutMs: number;

  constructor(
    peers: EdgePeers,
    connectionRegistry: ConnectionRegistry,
    settings: Pick<EdgeSettings, "peerTimeoutMs">,
  ) {
    this.#peers = peers;
    this.#connectionRegistry = connectionRegistry;
    this.#own = edgePod(connectionRegistry);
    this.#timeoutMs = settings.peerTimeoutMs;
  }

  /** @throws StreamError as EdgePeers does */
  async changeStreams(change: StreamChange): Promise<void> {
    const podId = podOf(change.connectionId);
    if (podId === null) throw notFound();
    if (podId === this.#connectionRegistry.podId) await this.#own.changeStreams(change);
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
