import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { NatsPublishFilter } from "./nats-publish-filter.ts";

/**
 * Stands between clients and a NATS server and does what networks and dying processes do.
 *
 * Connections stay open while it is paused, as when a cable is pulled: nobody is told anything. What it withholds is
 * gone for good: to everybody behind the proxy the client looks like one that died just before it published that.
 */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  /** Holds all bytes, both ways, and new connections' too. */
  pause(): void;
  /** Lets go what was held, in order. */
  resume(): void;
  /** Loses what the server says from now on, until `cut`. What clients say still arrives. */
  loseAnswers(): void;
  /** Ends all connections; new ones work again. */
  cut(): void;
  /** Stops messages that clients publish on such subjects from now on. Null: all go through again. */
  withhold(matches: ((subject: string) => boolean) | null): void;
  /** Calls back for each message that was withheld. */
  onWithheld(handler: (subject: string, payload: Buffer) => void): void;
  close(): Promise<void>;
}

const HOST = "127.0.0.1";

/** @param target of the server, such as `nats://127.0.0.1:4222` */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<{ client: Socket; server: Socket }>();
  let isPaused = false;
  let losesAnswers = false;
  let matches: ((subject: string) => boolean) | null = null;
  let handler: (subject: string, payload: Buffer) => void = () => undefined;

  const listener = createServer((client) => {
    const server = connect(Number(port), hostname);
    const pair = { client, server };
    pairs.add(pair);
    const filter = new NatsPublishFilter(
      (subject) => matches?.(subject) === true,
      (subject, payload) => handler(subject, payload),
    );
    client.on("data", (bytes: Buffer) => void server.write(filter.pass(bytes)));
    server.on("data", (bytes: Buffer) => {
      if (!losesAnswers) client.write(bytes);
    });
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("close", end).on("error", end).setNoDelay();
    // A paused socket leaves the bytes to the kernel, whose buffers fill up: exactly what a cut cable looks like.
    if (isPaused) for (const socket of [client, server]) socket.pause();
  });
  listener.listen(0, HOST);
  await once(listener, "listening");
  const url = `nats://${HOST}:${(listener.address() as AddressInfo).port}`;

  const sockets = (): Socket[] => [...pairs].flatMap(({ client, server }) => [client, server]);
  const cut = (): void => {
    losesAnswers = false;
    for (const socket of sockets()) socket.destroy();
  };
  const close = async (): Promise<void> => {
    cut();
    if (!listener.listening) return;
    listener.close();
    await once(listener, "close");
  };
  return {
    url,
    pause() {
      isPaused = true;
      for (const socket of sockets()) socket.pause();
    },
    resume() {
      isPaused = false;
      for (const socket of sockets()) socket.resume();
    },
    loseAnswers() {
      losesAnswers = true;
    },
    cut,
    withhold(which) {
      matches = which;
    },
    onWithheld(callback) {
      handler = callback;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
