import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Cable between a browser and everything else: an HTTP proxy that can be pulled. Nobody is told then, as when a phone leaves
 * its network: open connections stay open and carry nothing, for good. Whatever is asked meanwhile fails.
 */
export interface Cable extends AsyncDisposable {
  readonly url: string;
  pull(): void;
  /** New connections come through; the old ones are those of another network. */
  plugIn(): void;
}

const HOST = "127.0.0.1";

export async function startCable(): Promise<Cable> {
  const running = new Set<Exchange>();
  let isPulled = false;
  const server = createServer((asked, response) => {
    if (isPulled) {
      response.destroy();
      return;
    }
    const exchange = new Exchange(asked, response);
    running.add(exchange);
    response.once("close", () => running.delete(exchange));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, HOST, resolve);
  });
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    pull: () => {
      isPulled = true;
      for (const exchange of running) exchange.silence();
    },
    plugIn: () => {
      isPulled = false;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

/** One request and its answer, on their way. */
class Exchange {
  readonly #asked: IncomingMessage;
  readonly #response: ServerResponse;
  #answer: IncomingMessage | null = null;
  #isSilent = false;

  constructor(asked: IncomingMessage, response: ServerResponse) {
    this.#asked = asked;
    this.#response = response;
    const { method = "GET", headers, url = "" } = asked;
    const onward = request(url, { method, headers }, (answer) => {
      if (this.#isSilent) return;
      this.#answer = answer;
      answer.on("error", () => this.#lose());
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    onward.on("error", () => this.#lose());
    response.once("close", () => onward.destroy());
    asked.pipe(onward);
  }

  silence(): void {
    this.#isSilent = true;
    this.#answer?.unpipe(this.#response);
    this.#asked.pause();
  }

  /** The other side is gone: so is this one, where it can be told. */
  #lose(): void {
    if (!this.#isSilent) this.#response.destroy();
  }
}
