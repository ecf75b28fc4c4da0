import { freePort, httpAnswersOk, ProcessServer, type ServerHandle } from "@sluice/servers";
import { startNats, startRedis, type NatsOptions, type RedisOptions } from "@sluice/testing";
import { fileURLToPath } from "node:url";

type ServiceName = "ingest" | "edge" | "gateway" | "worker";

export interface StackOptions {
  ingest?: number;
  edges?: number;
  gateway?: boolean;
  worker?: boolean;
  nats?: NatsOptions;
  redis?: RedisOptions;
  /** Address of several servers, or of a proxy in front of one; default: a NATS of the stack's own. */
  natsUrl?: string;
  /** Settings of the services, by name, on top of their defaults. */
  env?: Partial<Record<ServiceName, Record<string, string>>>;
}

/** The whole of Sluice as real processes, for tests and benchmarks that kill, pause and flush them one by one. */
export interface Stack extends AsyncDisposable {
  readonly nats: ServerHandle | null;
  readonly redis: ServerHandle;
  readonly natsUrl: string;
  /** All edges listen on this one, the kernel balances. */
  readonly edgeUrl: string;
  readonly gatewayUrl: string;
  /** Processes by name (`ingest-1`, `edge-2`, `gateway`); `url` is the admin server's. Nothing restarts by itself. */
  readonly services: ReadonlyMap<string, ProcessServer>;
  service(name: string): ProcessServer;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";

/** Starts everything on free ports and resolves when all is ready; what was started is stopped where something fails. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const started = new AsyncDisposableStack();
  try {
    const nats =
      options.natsUrl === undefined ? started.use(await startNats({ local: true, ...options.nats })) : null;
    const redis = started.use(await startRedis({ local: true, ...options.redis }));
    const natsUrl = options.natsUrl ?? nats?.url ?? "";
    const [edgePort, gatewayPort] = [await freePort(), await freePort()];
    const edgeUrl = `http://${HOST}:${edgePort}`;
    const gatewayUrl = `http://${HOST}:${gatewayPort}`;
    const services = new Map<string, ProcessServer>();

    const start = async (name: string, service: ServiceName, env: Record<string, string>): Promise<void> => {
      const all = {
        NATS_URL: natsUrl,
        REDIS_URL: redis.url,
        LOG_LEVEL: "info",
        ...env,
        ...options.env?.[service],
      };
      services.set(name, started.use(await startService(name, service, all)));
    };
    for (let number = 1; number <= (options.ingest ?? 2); number++)
      await start(`ingest-${number}`, "ingest", {});
    for (let number = 1; number <= (options.edges ?? 2); number++) {
      await start(`edge-${number}`, "edge", { PORT: String(edgePort) });
    }
    if (options.gateway === true)
      await start("gateway", "gateway", { PORT: String(gatewayPort), EDGE_URL: edgeUrl });
    if (options.worker === true) await start("worker", "worker", {});

    const resources = started.move();
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => (stopped ??= resources.disposeAsync());
    return {
      nats,
      redis,
      natsUrl,
      edgeUrl,
      gatewayUrl,
      services,
      service(name) {
        const found = services.get(name);
        if (found === undefined) throw new Error(`no service ${name} in this stack`);
        return found;
      },
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await started.disposeAsync();
    throw error;
  }
}

async function startService(
  name: string,
  service: ServiceName,
  env: Record<string, string>,
): Promise<ProcessServer> {
  const port = await freePort();
  const url = `http://${HOST}:${port}`;
  const main = fileURLToPath(new URL(`../../services/${service}/src/main.ts`, import.meta.url));
  return ProcessServer.start({
    name,
    command: process.execPath,
    args: () => [main],
    url,
    port,
    isReady: () => httpAnswersOk(`${url}/readyz`),
    env: { ...process.env, ...env, ADMIN_PORT: String(port) },
  });
}

/** The sum of a metric's samples on an admin server; 0 where it has none. */
export async function gaugeOf(adminUrl: string, metric: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const samples = text
    .split("\n")
    .filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** The sum of a metric over the running services whose name begins so, such as `ingest`. */
export async function sumOver(stack: Stack, prefix: string, metric: string): Promise<number> {
  const running = [...stack.services].filter(
    ([name, { pid }]) => name.startsWith(prefix) && pid !== undefined,
  );
  const values = await Promise.all(running.map(([, { url }]) => gaugeOf(url, metric)));
  return values.reduce((sum, value) => sum + value, 0);
}
