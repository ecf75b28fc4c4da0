import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/**
 * A connection as HTTP sees it, so that it can be taken away from HTTP once a response has begun that goes on for hours.
 * Node keeps parser, request, response, headers and router of a response until it ends: 15 KB that a stream of events
 * doesn't need, and a write through all of it costs more than one to the socket.
 */
export class RequestSocket extends Duplex {
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

  get remoteAddress(): string | undefined {
    return this.#socket?.remoteAddress;
  }

  setTimeout(ms: number): this {
    this.#socket?.setTimeout(ms);
    return this;
  }

  /**
   * Ends HTTP's part: to it the client has gone, and it lets go of everything. Nothing may be on its way to the client.
   * The socket is the caller's from now on; what the client still sends is dropped.
   */
  takeOver(): Socket {
    const socket = this.#socket;
    if (socket === null) throw new Error("a connection was taken over twice");
    this.#socket = null;
    this.#listen(socket, "off");
    socket.setTimeout(0);
    this.destroy();
    return socket.resume();
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#socket?.write(chunk, encoding, callback);
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    const socket = this.#socket;
    socket?.cork();
    for (const [index, { chunk, encoding }] of chunks.entries()) {
      socket?.write(chunk, encoding, index === chunks.length - 1 ? callback : undefined);
    }
    socket?.uncork();
  }

  override _final(callback: () => void): void {
    this.#socket?.end(callback);
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
