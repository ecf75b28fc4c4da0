import type { OwnedPartition, ServiceReport, ServiceReports, Subscription } from "@sluice/core";
import type { Router } from "express";
import type { Registry } from "prom-client";
import type { z } from "zod";
import { startAdminServer, type ReadinessCheck } from "./admin-server.ts";
import { loadConfig, warnRenamed, type RenamedSetting, type Settings } from "./config.ts";
import type { HttpServer } from "./http-server.ts";
import { Lifecycle, runMain } from "./lifecycle.ts";
import { createLogger, type Logger } from "./logger.ts";
import { createRegistry } from "./metrics.ts";
import { createInstanceName, serveReports } from "./serve-reports.ts";
import type { FigureSources } from "./service-figures.ts";

const ADMIN_GRACE_MS = 1_000;

interface Link {
  readonly isConnected: boolean;
  close(): Promise<void>;
}

interface Closable {
  close(): Promise<void> | void;
}

/** A settings table that has the settings of every service. */
type ServiceTable = z.ZodObject<
  Record<"NATS_URL" | "LOG_LEVEL" | "ADMIN_HOST", z.ZodType<string>> & { ADMIN_PORT: z.ZodType<number> }
>;

interface CommonSettings {
  readonly natsUrl: string;
  /** Only of services with `createRedis`. */
  readonly redisUrl: string;
  readonly logLevel: string;
  readonly adminHost: string;
  readonly adminPort: number;
}

/** The adapters come from the service's `main.ts`: this library knows none. */
export interface ServiceOptions<Table extends ServiceTable, Nats extends Link, Redis> {
  readonly name: ServiceReport["service"];
  readonly schema: Table;
  /** Where the figures of its reports to the control plane come from. */
  readonly figures: FigureSources;
  readonly connectNats: (options: { servers: string; name: string }) => Promise<Nats>;
  /** Connects to Redis; only for a service that has REDIS_URL. */
  readonly createRedis?: (
    url: string,
    options: { connectionName: string; onError: (error: Error) => void },
  ) => Redis & Closable;
}

export interface ServiceContext<Table extends z.ZodObject, Nats, Redis> {
  readonly settings: Settings<Table>;
  readonly link: Nats;
  /** Undefined without `createRedis`. */
  readonly redis: Redis;
  readonly logger: Logger;
  readonly registry: Registry;
  /** Closes the service's own parts first, in reverse order, while NATS, Redis and the admin server still work. */
  readonly lifecycle: Lifecycle;
}

/** A service that runs, as the admin server and the control plane see it. */
export interface StartedService {
  readonly reports: Pick<ServiceReports, "serve">;
  /** Name in the control plane. Default: a new one. */
  readonly instance?: string;
  readonly partitions?: () => readonly OwnedPartition[];
  /** Conditions of readiness besides NATS and shutting down. */
  readonly readiness?: Readonly<Record<string, ReadinessCheck>>;
  /** Null, or why only a restart of this process helps. Default: always null. */
  readonly liveness?: () => string | null;
  /** Routes that only operators may reach. */
  readonly adminRoutes?: Router;
  /** Fields of the log line that says that it runs. */
  readonly about?: Readonly<Record<string, unknown>>;
}

/**
 * Runs a service in this process: settings, log, metrics, connections, `start`, reports, admin server.
 *
 * All services close in one order on SIGTERM or SIGINT: readiness goes off, the service's own parts drain and close,
 * then reports, admin server, Redis, NATS. A start that fails ends the process with code 1 and one message.
 */
export function startService<Table extends ServiceTable, Nats extends Link, Redis = undefined>(
  options: ServiceOptions<Table, Nats, Redis>,
  start: (context: ServiceContext<Table, Nats, Redis>) => Promise<StartedService>,
): Promise<void> {
  return runMain(async () => {
    const { name } = options;
    const renamed: RenamedSetting[] = [];
    const settings = loadConfig(options.schema, process.env, (setting) => renamed.push(setting));
    const { natsUrl, redisUrl, logLevel, adminHost, adminPort } = settings as unknown as CommonSettings;
    const logger = createLogger(name, logLevel);
    warnRenamed(logger, renamed);
    const registry = createRegistry(name);
    const lifecycle = new Lifecycle(logger);
    lifecycle.handleSignals();

    const link = await options.connectNats({ servers: natsUrl, name: `sluice-${name}` });
    lifecycle.add("nats", () => link.close());
    const redis = options.createRedis?.(redisUrl, {
      connectionName: `sluice-${name}`,
      onError: (error) => logger.warn({ err: error }, "Redis connection failed"),
    });
    if (redis !== undefined) lifecycle.add("redis", () => redis.close());
    // Opened last, since a service answers probes only once it runs; closed late, to be watched while it drains.
    const late: { admin?: HttpServer; reporting?: Subscription } = {};
    lifecycle.add("admin", () => late.admin?.close(ADMIN_GRACE_MS));
    lifecycle.add("reports", () => late.reporting?.close());

    const service = await start({ settings, link, redis: redis as Redis, logger, registry, lifecycle });
    late.reporting = serveReports(service.reports, {
      service: name,
      instance: service.instance ?? createInstanceName(),
      registry,
      figures: options.figures,
      ...(service.partitions === undefined ? {} : { partitions: service.partitions }),
    });
    let isClosing = false;
    late.admin = await startAdminServer({
      host: adminHost,
      port: adminPort,
      registry,
      ...(service.liveness === undefined ? {} : { liveness: service.liveness }),
      ...(service.adminRoutes === undefined ? {} : { routes: service.adminRoutes }),
      readiness: {
        draining: () => (isClosing ? "shutting down" : null),
        nats: () => (link.isConnected ? null : "not connected"),
        ...service.readiness,
      },
    });
    lifecycle.add("readiness", () => void (isClosing = true));
    logger.info({ adminPort: late.admin.port, ...service.about }, `${name} runs`);
  });
}
