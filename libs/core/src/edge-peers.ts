import type { StartPoint } from "./chunk-cache.ts";
import { byCodeUnits } from "./id-order.ts";
import type { Subscription } from "./live-feed.ts";

/** A reader's connection as an operator sees it. */
export interface ConnectionRecord {
  /** The name for operators, `<pod>.<hash of the id>`. It gives no power over the connection, which the id itself does. */
  connectionId: string;
  /** `phase` as in ReplayMerge; `lastSequence` null where it isn't known yet where the reader begins. */
  streams: readonly { streamId: string; lastSequence: number | null; phase: string }[];
  connectedMs: number;
  /** When the edge's kernel last took all that was sent, heartbeats among it: no proof that the client is there. */
  lastSeenMs: number;
  /** Address of the client; behind trusted proxies the one that they name. */
  address: string;
  userAgent: string;
}

/** Connections in the order of their listed ids. */
export interface ConnectionPage {
  connections: readonly ConnectionRecord[];
  /** There are more after the last of these. */
  hasMore: boolean;
}

export interface ConnectionQuery {
  /** The last listed id of the page before; empty: from the first. */
  after: string;
  limit: number;
}

/** A stream to be added to a connection that is open, or to be taken off it. */
export type StreamChange =
  | { kind: "add"; connectionId: string; streamId: string; start: StartPoint }
  | { kind: "drop"; connectionId: string; streamId: string };

/** Answers of an edge pod to other pods. */
export interface EdgePod {
  /** @throws StreamError CONNECTION_NOT_FOUND, ALREADY_FOLLOWED, or what opening the stream is refused with */
  changeStreams(change: StreamChange): Promise<void>;
  listConnections(query: ConnectionQuery): ConnectionPage;
}

/** The way from one edge pod to the others: a reader's connection is in one, requests about it reach any. */
export interface EdgePeers {
  /** Answers for a pod. `podId`: of the characters of a stream id, different for each running process. */
  serve(podId: string, pod: EdgePod): Subscription;

  /**
   * Lets the pod do it.
   * @throws StreamError CONNECTION_NOT_FOUND where there is no such pod; CONNECTION without an answer in time; else what
   * the pod refused with
   */
  changeStreams(podId: string, change: StreamChange, timeoutMs: number): Promise<void>;

  /** One page of each pod that answers within the time, in no order; a pod that doesn't is missing. */
  listConnections(query: ConnectionQuery, timeoutMs: number): Promise<readonly ConnectionPage[]>;
}

/** One page of pages, as if all their connections were in one place. */
export function mergeConnectionPages(pages: readonly ConnectionPage[], limit: number): ConnectionPage {
  const all = pages.flatMap(({ connections }) => connections);
  const sorted = all.toSorted((left, right) => byCodeUnits(left.connectionId, right.connectionId));
  // Past the last connection of a page that was cut there may be some that nobody has sent.
  const ends = pages
    .filter(({ hasMore }) => hasMore)
    .map(({ connections }) => connections.at(-1)?.connectionId);
  const certain = sorted.filter(({ connectionId }) =>
    ends.every((end) => end === undefined || connectionId <= end),
  );
  const connections = certain.slice(0, limit);
  return { connections, hasMore: ends.length > 0 || connections.length < certain.length };
}
