import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startContainer } from "./container-server.ts";
import {
  freePorts,
  NATS_IMAGE,
  NATS_SERVER,
  ProcessServer,
  startOnFreePorts,
  httpAnswersOk,
  natsAnswers,
  waitUntil,
  findServerBinary,
  ForeignServer,
  type ServerHandle,
} from "@sluice/servers";

// A chunk may be 1 MiB and travels in JSON with its headers: the server's default of 1 MiB would refuse it.
const MAX_PAYLOAD_BYTES = 2_097_152;
const CLUSTER_READY_TIMEOUT_MS = 30_000;

export interface NatsOptions {
  /** A local process even where NATS_URL is set or a container engine answers: for what needs signals. */
  readonly local?: boolean;
  /** When JetStream flushes to disk: `always`, or a time such as `10s`. The server's default is `2m`. */
  readonly syncInterval?: string;
  /** More lines for the server's configuration file. Makes the server a local process. */
  readonly config?: string;
}

export interface NatsClusterOptions extends Pick<NatsOptions, "syncInterval" | "config"> {
  readonly name?: string;
}

/** Servers that are one JetStream cluster; each can be killed, paused and restarted by itself. */
export interface NatsCluster extends AsyncDisposable {
  readonly nodes: readonly ServerHandle[];
  /** All addresses, joined by commas, as NATS clients take them. */
  readonly url: string;
  /** Waits until all nodes know a JetStream leader and have caught up. */
  waitReady(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A NATS server with JetStream on disk: the one at NATS_URL, else a container, else a local process.
 * @throws ServerUnavailableError when there is no nats-server and none can be installed
 */
export async function startNats(options: NatsOptions = {}): Promise<ServerHandle> {
  if (options.local !== true && options.config === undefined) {
    const given = process.env["NATS_URL"];
    if (given !== undefined && given !== "") return new ForeignServer(given, "the one given by NATS_URL");
    const container = await startContainer({
      image: NATS_IMAGE,
      command: ["--jetstream", "--store_dir", "/data", "--config", "/etc/sluice.conf"],
      files: [{ target: "/etc/sluice.conf", content: `max_payload: ${MAX_PAYLOAD_BYTES}\n` }],
      containerPort: 4222,
      scheme: "nats",
      isReady: natsAnswers,
    });
    if (container !== undefined) return container;
  }
  const binary = await findServerBinary(NATS_SERVER);
  return startOnFreePorts(async () => {
    const [port = 0, monitorPort = 0] = await freePorts(2);
    return startNode({
      ...options,
      command: binary.path,
      port,
      monitorPort,
      serverName: "sluice-test",
    });
  });
}

/** A cluster of local processes. */
export async function startNatsCluster(size = 3, options: NatsClusterOptions = {}): Promise<NatsCluster> {
  const binary = await findServerBinary(NATS_SERVER);
  return startOnFreePorts(async () => {
    const ports = await freePorts(size * 3);
    const members = Array.from({ length: size }, (_, index) => ({
      serverName: `node-${index + 1}`,
      port: ports[index * 3] ?? 0,
      monitorPort: ports[index * 3 + 1] ?? 0,
      routePort: ports[index * 3 + 2] ?? 0,
    }));
    const routes = members.map((member) => `nats://127.0.0.1:${member.routePort}`);
    const starting = members.map((member) =>
      startNode({
        ...options,
        ...member,
        command: binary.path,
        cluster: { name: options.name ?? "sluice-test", routePort: member.routePort, routes },
      }),
    );
    const outcomes = await Promise.allSettled(starting);
    const nodes = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())));
    const waitReady = async (): Promise<void> => {
      const monitors = members.map((member) => `http://127.0.0.1:${member.monitorPort}/healthz`);
      await waitUntil(
        "the NATS cluster",
        async () => (await Promise.all(monitors.map(httpAnswersOk))).every(Boolean),
        { timeoutMs: CLUSTER_READY_TIMEOUT_MS },
      );
    };
    try {
      const failed = outcomes.find((outcome) => outcome.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      await waitReady();
    } catch (error) {
      await stop();
      throw error;
    }
    return {
      nodes,
      url: nodes.map((node) => node.url).join(","),
      waitReady,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  });
}

interface NatsNode extends NatsOptions {
  readonly command: string;
  readonly serverName: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly cluster?: {
    readonly name: string;
    readonly routePort: number;
    readonly routes: readonly string[];
  };
}

async function startNode(node: NatsNode): Promise<ProcessServer> {
  return ProcessServer.start({
    name: "nats-server",
    command: node.command,
    url: `nats://127.0.0.1:${node.port}`,
    port: node.port,
    args: (dataDirectory) => {
      const configFile = join(dataDirectory, "nats.conf");
      writeFileSync(configFile, natsConfig(node, join(dataDirectory, "jetstream")));
      return ["--config", configFile];
    },
    isReady: () => natsAnswers(node.port),
  });
}

function natsConfig(node: NatsNode, storeDirectory: string): string {
  const syncInterval = node.syncInterval === undefined ? "" : `, sync_interval: ${node.syncInterval}`;
  const lines = [
    `server_name: ${node.serverName}`,
    `listen: "127.0.0.1:${node.port}"`,
    `http: "127.0.0.1:${node.monitorPort}"`,
    `max_payload: ${MAX_PAYLOAD_BYTES}`,
    `jetstream { store_dir: ${JSON.stringify(storeDirectory)}${syncInterval} }`,
  ];
  if (node.cluster !== undefined) {
    const routes = node.cluster.routes.map((route) => JSON.stringify(route)).join(", ");
    lines.push(
      `cluster { name: ${node.cluster.name}, listen: "127.0.0.1:${node.cluster.routePort}", routes: [${routes}] }`,
    );
  }
  if (node.config !== undefined) lines.push(node.config);
  return `${lines.join("\n")}\n`;
}
