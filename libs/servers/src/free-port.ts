import { randomInt } from "node:crypto";
import { createServer } from "node:net";

// Systems give outgoing connections their ports from 32,768 or 49,152 on. One of those, free a moment ago, may be some
// client's by the time that a server is to listen on it, and stay so for long.
const LOWEST = 15_000;
const HIGHEST = 32_000;
const MAX_TRIES = 200;

/**
 * Ports that nothing listens on at the moment of the answer, all different.
 * Another process can take one before the caller does, so who starts a server on it must be ready to try again.
 */
export async function freePorts(count: number, host = "127.0.0.1"): Promise<number[]> {
  // All are held open until the last is known: the same one could be drawn twice.
  const holders: HeldPort[] = [];
  try {
    while (holders.length < count) holders.push(await holdAny(host));
    return holders.map((holder) => holder.port);
  } finally {
    await Promise.all(holders.map((holder) => holder.release()));
  }
}

export async function freePort(host?: string): Promise<number> {
  const [port] = await freePorts(1, host);
  if (port === undefined) throw new Error("The system gave no free port.");
  return port;
}

export async function isPortFree(port: number, host?: string): Promise<boolean> {
  try {
    const holder = await hold(port, host);
    await holder.release();
    return true;
  } catch {
    return false;
  }
}

async function holdAny(host: string): Promise<HeldPort> {
  for (let tries = 1; ; tries++) {
    try {
      return await hold(randomInt(LOWEST, HIGHEST), host);
    } catch (error) {
      if (tries === MAX_TRIES) throw error;
    }
  }
}

interface HeldPort {
  readonly port: number;
  release(): Promise<void>;
}

function hold(port: number, host: string | undefined): Promise<HeldPort> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      if (address === null || typeof address === "string") {
        reject(new Error("A TCP listener without a port."));
        return;
      }
      resolve({
        port: address.port,
        release: () =>
          new Promise((released) => {
            server.close(() => released());
          }),
      });
    });
  });
}
