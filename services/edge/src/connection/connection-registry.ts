import { createHash, randomBytes } from "node:crypto";
import { byCodeUnits, type ConnectionPage, type ConnectionQuery, type ConnectionRecord } from "@sluice/core";
import { AddressCounts } from "@sluice/runtime";
import type { Connection } from "./connection.ts";
import { MultiConnection } from "./multi-connection.ts";
import type { Subscriber } from "../stream/subscriber.ts";

/** One open SSE response: whose it is and what it carries. */
export interface TrackedConnection {
  readonly id: string;
  readonly connection: Connection;
  readonly connectedMs: number;
  readonly address: string;
  readonly userAgent: string;
  /** Many streams, or the one that it was opened for. */
  readonly carries: MultiConnection | Subscriber;
}

interface Listable extends TrackedConnection {
  readonly listedId: string;
}

// Readers send what they like; without this bound it is kept as often as there are connections.
const MAX_USER_AGENT = 256;

// A page travels as one NATS message between pods, and the default limit of those is 1 MiB.
const MAX_PAGE_CHARACTERS = 256 * 1024;

/**
 * The connections of this pod. One that is over is out of it at once. A client that went without a word is found out by
 * whatever comes first: bytes that nobody takes (stall time-out), heartbeats that nobody acknowledges (TCP, some 15 minutes
 * on Linux), and, where a frozen client's or a proxy's kernel goes on acknowledging, the connection's age.
 */
export class ConnectionRegistry {
  /** Different for each running process, so that an id leads to the pod that has the connection. */
  readonly podId = randomBytes(6).toString("base64url");
  readonly #tracked = new Map<string, Listable>();
  readonly #connections = new Set<Connection>();
  readonly #byAddress = new AddressCounts();

  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  get all(): Iterable<TrackedConnection> {
    return this.#tracked.values();
  }

  /** Not to be guessed: who knows it may change what the connection follows. */
  createId(): string {
    return `${this.podId}.${randomBytes(12).toString("base64url")}`;
  }

  add(tracked: TrackedConnection): void {
    const userAgent = tracked.userAgent.slice(0, MAX_USER_AGENT);
    this.#tracked.set(tracked.id, { ...tracked, userAgent, listedId: listedIdOf(tracked.id) });
    this.#connections.add(tracked.connection);
    this.#byAddress.add(tracked.address, 1);
  }

  delete({ id, connection, address }: TrackedConnection): void {
    if (!this.#tracked.delete(id)) return;
    this.#connections.delete(connection);
    this.#byAddress.add(address, -1);
  }

  /** Connections of one client. */
  countOf(address: string): number {
    return this.#byAddress.of(address);
  }

  get(connectionId: string): TrackedConnection | undefined {
    return this.#tracked.get(connectionId);
  }

  /** A page in the order of listed ids, none of which gives any power over its connection. */
  list({ after, limit }: ConnectionQuery): ConnectionPage {
    const following = [...this.#tracked.values()]
      .filter(({ listedId }) => listedId > after)
      .toSorted((left, right) => byCodeUnits(left.listedId, right.listedId));
    const connections: ConnectionRecord[] = [];
    let characters = 0;
    for (const tracked of following.slice(0, limit)) {
      const record = recordOf(tracked);
      characters += JSON.stringify(record).length;
      if (characters > MAX_PAGE_CHARACTERS && connections.length > 0) break;
      connections.push(record);
    }
    return { connections, hasMore: connections.length < following.length };
  }
}

/** The pod of a connection id; null where it can't be one. */
export function podOf(connectionId: string): string | null {
  return /^([\w-]{8})\.[\w-]{16}$/.exec(connectionId)?.[1] ?? null;
}

/**
 * The name under which operators see a connection: its pod, and a hash of its id. Whoever reads the list learns nothing
 * that changes a connection, since an id has 96 random bits.
 */
export function listedIdOf(connectionId: string): string {
  const [pod = ""] = connectionId.split(".");
  return `${pod}.${createHash("sha256").update(connectionId).digest("base64url").slice(0, LISTED_HASH_CHARACTERS)}`;
}

// Longer than the random part of an id, so that one is never taken for the other.
const LISTED_HASH_CHARACTERS = 22;

function recordOf(tracked: Listable): ConnectionRecord {
  const { carries } = tracked;
  const subscribers = carries instanceof MultiConnection ? carries.subscribers() : [carries];
  const streams = Array.from(subscribers, ({ streamId, cursor, phase }) => ({
    streamId,
    lastSequence: cursor,
    phase,
  }));
  const { listedId, connectedMs, connection, address, userAgent } = tracked;
  return {
    connectionId: listedId,
    streams,
    connectedMs,
    lastSeenMs: connection.lastSeenMs,
    address,
    userAgent,
  };
}
