import type { StreamStatus } from "@sluice/core";

/** One stream, as the gateway's control plane lists it. */
export interface StreamRow {
  readonly stream_id: string;
  readonly status: StreamStatus;
  readonly head_sequence: number;
  readonly chunk_count: number;
  readonly byte_count: number;
  readonly created_ms: number;
  readonly updated_ms: number;
  readonly ended_ms: number | null;
  readonly cancel_requested_ms: number | null;
}

export interface StreamList {
  readonly streams: readonly StreamRow[];
  readonly next_cursor: string | null;
}

export interface ServiceRow {
  readonly service: "ingest" | "edge" | "gateway" | "worker";
  readonly instance: string;
  readonly started_ms: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly partitions: readonly number[];
}

export interface ConnectionRow {
  readonly connection_id: string;
  readonly streams: readonly {
    readonly stream_id: string;
    readonly last_sequence: number;
    readonly phase: string;
  }[];
  readonly connected_at: number;
  readonly last_seen: number;
  readonly client_address: string;
  readonly user_agent: string;
}

export interface ConnectionList {
  readonly connections: readonly ConnectionRow[];
  readonly next_after: string | null;
}

export interface PartitionRow {
  readonly partition: number;
  readonly owner: string | null;
  readonly checkpoint: { readonly broker_sequence: number; readonly timestamp_ms: number } | null;
  /** Messages that the log holds beyond the checkpoint, as the owner reports; null: unknown. */
  readonly lag_ms: number | null;
  readonly lag_messages: number | null;
}

export interface RejectedRow {
  readonly position: number;
  readonly stream_id: string;
  readonly reason: string;
  readonly broker_sequence: number;
  readonly element: number;
  readonly stored_ms: number;
  /** Beginning of the element. */
  readonly payload: string;
  /** Size of the whole element. */
  readonly payload_bytes: number;
}

export interface RejectedList {
  readonly rejected: readonly RejectedRow[];
  readonly next_before: number | null;
}

export const STATUSES: readonly StreamStatus[] = ["open", "completed", "errored", "cancelled", "deleted"];

/** Reason why nothing new can be shown, in a sentence for the operator. */
export class ControlError extends Error {
  /** Whether the gateway has no control plane on this port, so that asking again won't help. */
  readonly isOff: boolean;

  constructor(message: string, isOff = false) {
    super(message);
    this.isOff = isOff;
  }
}

const TIMEOUT_MS = 10_000;

/** @throws ControlError */
export async function getJson<T>(
  path: string,
  parameters: Readonly<Record<string, string | readonly string[]>> = {},
): Promise<T> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of typeof value === "string" ? [value] : value) if (one !== "") query.append(name, one);
  }
  const url = query.size === 0 ? path : `${path}?${query.toString()}`;
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new ControlError("The gateway is not responding. Retrying.");
  }
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  const isOff = response.status === 404 && problem.code === "NOT_FOUND";
  throw new ControlError(
    isOff
      ? "The control plane is disabled here. Set CONTROL_ENABLED=true on the gateway."
      : (problem.detail ?? `The gateway answered with status ${response.status}.`),
    isOff,
  );
}

/** Counts readers by stream. Null: no edge answers, and the rest of a view is still worth showing. */
export async function countReaders(
  streamIds: readonly string[],
): Promise<Readonly<Record<string, number>> | null> {
  try {
    const { readers } = await getJson<{ readers: Record<string, number> }>("/control/readers", {
      stream_id: streamIds,
    });
    return readers;
  } catch {
    return null;
  }
}
