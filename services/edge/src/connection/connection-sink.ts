import type { FrameSink } from "../stream/frame-sink.ts";
import type { Connection } from "./connection.ts";

/** One stream has the whole connection, and ends with it. */
export class ConnectionSink implements FrameSink {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get isBlocked(): boolean {
    return this.#connection.isBlocked;
  }

  hasRoomFor(chunks: number, bytes: number): boolean {
    return this.#connection.hasRoomFor(chunks, bytes);
  }

  countBackpressure(): void {
    this.#connection.countBackpressure();
  }

  push(frames: Uint8Array, chunks: number): void {
    this.#connection.push(frames, chunks);
  }

  drained(): Promise<void> {
    return this.#connection.drained();
  }

  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    await this.#connection.drained();
    return work();
  }

  finish(): void {
    this.#connection.end();
  }

  giveUp(): void {
    this.#connection.breakOff();
  }
}
