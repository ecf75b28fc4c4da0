import type { Chunk } from "@sluice/core";

/** A part of an answer, in the order of the stream. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "gap"; readonly from: number; readonly to: number; readonly reason: string }
  | { readonly kind: "note"; readonly label: string; readonly text: string };

/** State of the reading of one stream. From `completed` on it is over; `ended`: its outcome is unknown. */
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
  /** The edge's id of the connection. */
  readonly connectionId: string | null;
  /** The last progress that the producer reported. */
  readonly progress: string | null;
  /** Summary or reason of the end. */
  readonly detail: string | null;
}

/** One stream, as far as it was read. */
export interface Reading {
  readonly streamId: string;
  readonly status: ReadingStatus;
  readonly pieces: readonly Piece[];
}

const ENDS: readonly ReadingState[] = ["completed", "stopped", "failed", "deleted", "ended"];

/** Whether nothing more comes of a reading in this state. */
export function isFinal(state: ReadingState): boolean {
  return ENDS.includes(state) || isWorthAnother(state);
}

/** Whether another attempt may find more: the state says nothing of the stream's own end. */
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

/** Adds a piece. Neighbouring texts become one. */
export function pushPiece(pieces: Piece[], piece: Piece): void {
  const last = pieces.at(-1);
  if (piece.kind === "text" && last?.kind === "text") {
    pieces[pieces.length - 1] = { kind: "text", text: last.text + piece.text };
  } else pieces.push(piece);
}

/** Joins the texts of an answer, without gaps and notes. */
export function textOf(pieces: readonly Piece[]): string {
  return pieces.map((piece) => (piece.kind === "text" ? piece.text : "")).join("");
}

export interface ChunkEffect {
  readonly piece?: Piece;
  readonly status?: Partial<ReadingStatus>;
}

/** @returns what a chunk adds to a reading */
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
