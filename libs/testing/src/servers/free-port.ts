import { createServer } from "node:net";

/**
 * Ports that nothing listens on at the moment of the answer, all different.
 * Another process can take one before the caller does, so who starts a server on it must be ready to try again.
 */
export async function freePorts(count: number, host = "127.0.0.1"): Promise<number[]> {
  // All are held open until the last is known: closed one by one, the system may hand out the same port twice.
  const holders = await Promise.all(Array.from({ length: count }, () => hold(0, host)));
  const ports = holders.map((holder) => holder.port);
  await Promise.all(holders.map((holder) => holder.release()));
  return ports;
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
