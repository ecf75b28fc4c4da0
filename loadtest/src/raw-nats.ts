import { connect, type Socket } from "node:net";
import { once } from "node:events";

export type MessageHandler = (subject: string, payload: Buffer) => void;

const LINE_END = Buffer.from("\r\n");

/**
 * Part of the NATS protocol that a load generator needs, on a bare socket: publishing costs it less than 2 µs, so that
 * the client isn't what is measured. No reconnects: whatever goes wrong ends the process.
 */
export class RawNats {
  readonly #socket: Socket;
  readonly #onMessage: MessageHandler;
  #rest: Buffer = Buffer.alloc(0);
  #subscriptions = 0;
  #pongs: (() => void)[] = [];

  private constructor(socket: Socket, onMessage: MessageHandler) {
    this.#socket = socket;
    this.#onMessage = onMessage;
    socket.setNoDelay(true);
    socket.on("data", (data) => this.#take(data));
    socket.on("error", (error) => {
      throw error;
    });
    socket.write('CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1}\r\n');
  }

  /** @param onMessage called for each message without headers; the payload is a view, valid during the call */
  static async connect(url: string, onMessage: MessageHandler): Promise<RawNats> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    const client = new RawNats(socket, onMessage);
    await client.flush();
    return client;
  }

  /** Subscribes; in force after `flush`. */
  subscribe(subject: string): void {
    this.#subscriptions += 1;
    this.#socket.write(`SUB ${subject} ${this.#subscriptions}\r\n`);
  }

  /** Sends protocol lines as made by `publishLines`, several at a time. */
  send(lines: string): void {
    this.#socket.write(lines, "latin1");
  }

  /** Resolves when the server has taken all that was sent before. */
  async flush(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#pongs.push(resolve);
      this.#socket.write("PING\r\n");
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    const bytes = this.#rest.byteLength === 0 ? data : Buffer.concat([this.#rest, data]);
    let position = 0;
    for (;;) {
      const end = bytes.indexOf(LINE_END, position);
      if (end < 0) break;
      const line = bytes.toString("latin1", position, end);
      const start = end + 2;
      if (!line.startsWith("MSG ")) {
        this.#onLine(line);
        position = start;
        continue;
      }
      const words = line.split(" ");
      const after = start + Number(words.at(-1)) + 2;
      if (after > bytes.byteLength) break;
      this.#onMessage(words[1] ?? "", bytes.subarray(start, after - 2));
      position = after;
    }
    this.#rest = bytes.subarray(position);
  }

  #onLine(line: string): void {
    if (line === "PING") this.#socket.write("PONG\r\n");
    else if (line === "PONG") this.#pongs.shift()?.();
    else if (line.startsWith("-ERR")) throw new Error(`nats-server: ${line}`);
  }
}

/** One HPUB; everything in it is ASCII. */
export function publishLines(
  subject: string,
  reply: string,
  headers: readonly (readonly [string, string])[],
  payload: string,
): string {
  const head = `NATS/1.0\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  const total = head.length + payload.length;
  return `HPUB ${subject} ${reply} ${head.length} ${total}\r\n${head}${payload}\r\n`;
}
