import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { httpAnswersOk, natsAnswers, redisAnswers } from "@sluice/servers";
import type { ProcessSpec } from "./managed-process.ts";
import { REPOSITORY } from "./paths.ts";
import { usualOrFreePort } from "./ports.ts";
import type { Addresses } from "./addresses.ts";
import type { PromisedPorts } from "./ports.ts";
import type { LauncherUrls } from "./state.ts";

export interface TopologyOptions {
  readonly ports: PromisedPorts;
  readonly addresses: Addresses;
  readonly ingest: number;
  readonly edges: number;
  readonly tokensPerSecond: number | undefined;
  readonly natsServer: string;
  readonly redisServer: string;
  /** Holds `<service>/src/main.ts`. */
  readonly services: string;
  readonly dataDirectory: string;
  /** Folder of the built pages. */
  readonly webRoot: string;
  /** Address of the launcher's kill switch. */
  readonly launcherUrl: string;
  /** The user's, handed on to the services: model and key of the worker, log level. */
  readonly environment: NodeJS.ProcessEnv;
}

export interface Topology {
  readonly specs: readonly ProcessSpec[];
  readonly urls: LauncherUrls;
}

const HOST = "127.0.0.1";
const NATS_PORT = 4222;
const REDIS_PORT = 6379;
const FIRST_ADMIN_PORT = 9101;

/** Order of the start: the servers, then writers (ingest), then readers (edge), then producers. */
const GROUP = { servers: 0, ingest: 1, edge: 2, gateway: 2, worker: 3 } as const;

type Service = "ingest" | "edge" | "gateway" | "worker";

/** The table of all processes of one local Sluice, with every port settled. */
export async function buildTopology(options: TopologyOptions): Promise<Topology> {
  const natsPort = await usualOrFreePort(NATS_PORT);
  const redisPort = await usualOrFreePort(REDIS_PORT);
  const urls = {
    ...options.addresses.urls,
    nats: `nats://${HOST}:${natsPort}`,
    redis: `redis://${HOST}:${redisPort}`,
  };
  const admin: Record<string, string> = {};
  const specs = [natsSpec(options, natsPort), redisSpec(options, redisPort)];

  const takenPorts = new Set<number>([natsPort, redisPort, ...Object.values(options.ports)]);
  const adminPort = async (): Promise<number> => {
    for (let usual = FIRST_ADMIN_PORT + specs.length - 2; ; usual++) {
      const port = await usualOrFreePort(usual);
      if (!takenPorts.has(port)) {
        takenPorts.add(port);
        return port;
      }
    }
  };
  const common = {
    ...withoutOwnSettings(options.environment),
    NATS_URL: urls.nats,
    REDIS_URL: urls.redis,
    LOG_LEVEL: options.environment["LOG_LEVEL"] ?? "info",
  };
  const add = async (name: string, service: Service, env: NodeJS.ProcessEnv): Promise<void> => {
    const port = await adminPort();
    admin[name] = `http://${HOST}:${port}`;
    specs.push({
      name,
      command: process.execPath,
      args: [join(options.services, service, "src", "main.ts")],
      env: { ...common, ...env, ADMIN_PORT: String(port) },
      isReady: () => httpAnswersOk(`http://${HOST}:${port}/readyz`),
      group: GROUP[service],
    });
  };
  const { host, allowedHosts, corsOrigins } = options.addresses;
  const reached = { HOST: host, ALLOWED_HOSTS: allowedHosts, CORS_ORIGINS: corsOrigins };
  for (let number = 1; number <= options.ingest; number++) {
    await add(`ingest-${number}`, "ingest", {});
  }
  for (let number = 1; number <= options.edges; number++) {
    // All on one port, which the system shares out among them.
    await add(`edge-${number}`, "edge", { ...reached, PORT: String(options.ports.edge) });
  }
  await add("gateway", "gateway", {
    ...reached,
    PORT: String(options.ports.gateway),
    EDGE_URL: urls.edge,
    WEB_ROOT: options.webRoot,
    LAUNCHER_URL: options.launcherUrl,
    CONTROL_ENABLED: "true",
  });
  const rate = options.tokensPerSecond;
  await add("worker", "worker", rate === undefined ? {} : { TOKENS_PER_SECOND: String(rate) });
  return { specs, urls: { ...urls, admin } };
}

function natsSpec(options: TopologyOptions, port: number): ProcessSpec {
  const directory = join(options.dataDirectory, "nats");
  mkdirSync(directory, { recursive: true });
  const config = join(REPOSITORY, "deploy", "nats.conf");
  return {
    name: "nats",
    command: options.natsServer,
    args: ["--config", config, "--addr", HOST, "--port", String(port), "--store_dir", directory],
    env: options.environment,
    isReady: () => natsAnswers(port),
    group: GROUP.servers,
  };
}

function redisSpec(options: TopologyOptions, port: number): ProcessSpec {
  const directory = join(options.dataDirectory, "redis");
  mkdirSync(directory, { recursive: true });
  const config = join(REPOSITORY, "deploy", "redis.conf");
  return {
    name: "redis",
    command: options.redisServer,
    args: [config, "--bind", HOST, "--port", String(port), "--dir", directory],
    env: options.environment,
    isReady: () => redisAnswers(port),
    group: GROUP.servers,
  };
}

/** Leaves out the settings that the launcher decides for each process: the user's shell must not set them for the others. */
function withoutOwnSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = new Set([
    "HOST",
    "ALLOWED_HOSTS",
    "CORS_ORIGINS",
    "PORT",
    "ADMIN_PORT",
    "EDGE_URL",
    "NATS_URL",
    "REDIS_URL",
    "WEB_ROOT",
    "LAUNCHER_URL",
  ]);
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !own.has(name)));
}
