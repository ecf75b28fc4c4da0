import type { Chunk } from "@sluice/core";

/** A part of an answer, in the order of the stream. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "gap"; readonly from: number; readonly to: number; readonly reason: string }
  | { readonly kind: "note"; readonly label: string; readonly text: string };

/** Where one stream's reading stands. From `completed` on it is over; `ended`: nobody knows how. */
export type ReadingState =
  | "connecting"
  | "live"
  | "reconnecting"
  | "completed"
  | "stopped"
  | "failed"
  | "deleted"
  | "ended"
  | "missing"
  | "unreadable";

export interface ReadingStatus {
  readonly state: ReadingState;
  /** The last sequence that was read; 0 before the first. */
  readonly sequence: number;
  /** Times that the connection was lost and made anew. */
  readonly reconnects: number;
  /** Under which name the edge lists the connection. */
  readonly connectionId: string | null;
  /** The producer's last word on how far it is. */
  readonly progress: string | null;
  /** What there is to say of the end. */
  readonly detail: string | null;
}

/** All that was read of one stream. */
export interface Reading {
  readonly streamId: string;
  readonly status: ReadingStatus;
  readonly pieces: readonly Piece[];
}

const ENDS: readonly ReadingState[] = ["completed", "stopped", "failed", "deleted", "ended"];

/** Nothing more comes of this reading. */
export function isFinal(state: ReadingState): boolean {
  return ENDS.includes(state) || isWorthAnother(state);
}

/** It says nothing of the stream's end: the stream may have come since, and whatever stood between may be gone. */
export function isWorthAnother(state: ReadingState): boolean {
  return state === "missing" || state === "unreadable";
}

export function newReading(streamId: string): Reading {
  const status: ReadingStatus = {
    state: "connecting",
    sequence: 0,
    reconnects: 0,
    connectionId: null,
    progress: null,
    detail: null,
  };
  return { streamId, status, pieces: [] };
}

/** Neighbouring texts become one. */
export function pushPiece(pieces: Piece[], piece: Piece): void {
  const last = pieces.at(-1);
  if (piece.kind === "text" && last?.kind === "text") {
    pieces[pieces.length - 1] = { kind: "text", text: last.text + piece.text };
  } else pieces.push(piece);
}

/** The answer's text alone. */
export function textOf(pieces: readonly Piece[]): string {
  return pieces.map((piece) => (piece.kind === "text" ? piece.text : "")).join("");
}

export interface ChunkEffect {
  readonly piece?: Piece;
  readonly status?: Partial<ReadingStatus>;
}

/** What a chunk adds to a reading. */
export function effectOf({ chunk_type: type }: Chunk): ChunkEffect {
  switch (type.type) {
    case "Text":
      return { piece: { kind: "text", text: type.content } };
    case "Json":
      return { piece: { kind: "note", label: "json", text: JSON.stringify(type.data) } };
    case "Event":
      return { piece: { kind: "note", label: type.event_type, text: JSON.stringify(type.payload) } };
    case "Progress": {
      const amount = type.total === null ? String(type.current) : `${type.current} of ${type.total}`;
      return { status: { progress: type.message === "" ? amount : `${type.message} (${amount})` } };
    }
    case "Complete":
      return { status: { state: "completed", detail: type.summary, progress: null } };
    case "Error":
      return type.code === "CANCELLED"
        ? { status: { state: "stopped", detail: type.error, progress: null } }
        : { status: { state: "failed", detail: `${type.error} (${type.code})`, progress: null } };
    case "Heartbeat":
      return {};
  }
}
