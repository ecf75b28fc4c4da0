import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/**
 * A connection as HTTP sees it, so that it can be taken away from HTTP once a response has begun that goes on for hours.
 * Node keeps parser, request, response, headers and router of a response until it ends: 15 KB that a stream of events
 * doesn't need, and a write through all of it costs more than one to the socket.
 */
export class DetachableSocket extends Duplex {
  #socket: Socket | null;
  readonly #onData = (bytes: Buffer): void => {
    if (!this.push(bytes)) this.#socket?.pause();
  };
  readonly #onEnd = (): void => void this.push(null);
  readonly #onTimeout = (): void => void this.emit("timeout");
  readonly #onError = (error: Error): void => void this.destroy(error);
  readonly #onClose = (): void => void this.destroy();

  constructor(socket: Socket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#listen(socket, "on");
  }

  /** True once its socket was taken over: HTTP has nothing to do with it any more. */
  get isDetached(): boolean {
    return this.#socket === null;
  }

  get remoteAddress(): string | undefined {
    return this.#socket?.remoteAddress;
  }

  setTimeout(ms: number): this {
    this.#socket?.setTimeout(ms);
    return this;
  }

  /**
   * Sends the head of the response, which must be this connection's only one, and ends HTTP's part: to it the response
   * is over, and it lets go of everything. What the client still sends is dropped.
   * @returns the socket, the caller's from now on; corked, so that the first write and the head leave as one
   */
  takeOver(response: ServerResponse): Socket {
    const socket = this.#socket;
    if (socket === null) throw new Error("a connection was taken over twice");
    socket.cork();
    // Not "close", which the response's end will be all the same: Node 20's fetch takes a cut for the end where it reads that.
    response.removeHeader("Connection");
    response.flushHeaders();
    this.#socket = null;
    this.#listen(socket, "off");
    response.end(() => this.destroySoon());
    return socket.setTimeout(0).resume();
  }

  /** Ends as HTTP asks when it is done with a connection. */
  destroySoon(): void {
    this.end(() => void this.destroy());
  }

  override _read(): void {
    this.#socket?.resume();
  }

  /** Drops what HTTP writes after the socket was taken over. */
  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#socket === null) callback();
    else this.#socket.write(chunk, encoding, callback);
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    const socket = this.#socket;
    socket?.cork();
    for (const { chunk, encoding } of chunks.slice(0, -1)) socket?.write(chunk, encoding);
    const last = chunks.at(-1);
    if (last === undefined) callback();
    else this._write(last.chunk, last.encoding, callback);
    socket?.uncork();
  }

  override _final(callback: () => void): void {
    if (this.#socket === null) callback();
    else this.#socket.end(callback);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#socket?.destroy();
    callback(error);
  }

  #listen(socket: Socket, how: "on" | "off"): void {
    socket[how]("data", this.#onData);
    socket[how]("end", this.#onEnd);
    socket[how]("timeout", this.#onTimeout);
    socket[how]("error", this.#onError);
    socket[how]("close", this.#onClose);
  }
}
