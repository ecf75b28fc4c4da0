import { DEFAULT_PARTITIONS, MAX_CHUNK_BYTES } from "@sluice/protocol";
import { MESSAGE_OVERHEAD_BYTES } from "@sluice/broker-nats";
import { loadConfig } from "@sluice/runtime";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  captureOnly,
  parseBytes,
  readCompose,
  readManifests,
  readText,
  readYaml,
  type Container,
  type Manifest,
} from "./deployment-files.ts";
import { REPOSITORY } from "./local/paths.ts";
import { SERVICE_CATALOG, type CatalogEntry } from "./service-catalog.ts";

const compose = readCompose();
const manifests = readManifests();
const dockerfile = readText("deploy/Dockerfile");
const haproxy = readText("deploy/balancer/haproxy.cfg");
const NATS_CLUSTER = "k8s/overlays/production/nats-cluster.conf";

/** What a service may need beyond its own bounds to close what it is connected to. */
const CLOSING_MS = 10_000;

function entryOf(service: string): CatalogEntry {
  const entry = SERVICE_CATALOG.get(service);
  if (entry === undefined) throw new Error(`no service ${service}`);
  return entry;
}

function containerOf(manifest: Manifest): Container {
  const container = manifest.spec.template?.spec.containers[0];
  if (container === undefined)
    throw new Error(`${manifest.file}: ${manifest.metadata.name} has no container`);
  return container;
}

function deployment(file: string): Manifest {
  const found = manifests.find((manifest) => manifest.file === file && manifest.spec.template !== undefined);
  if (found === undefined) throw new Error(`no ${file}`);
  return found;
}

/** The Deployments and patches that make up one service's pods, of all overlays; `only` narrows them to one. */
function piecesOf(service: string, only = "k8s/"): Manifest[] {
  const withRedis = captureOnly(
    readText("k8s/base/kustomization.yaml"),
    /kind: Deployment, name: (\S+) /,
  ).split("|");
  return manifests.filter(({ file, kind, metadata }) => {
    if (kind !== "Deployment" || !file.startsWith(only)) return false;
    if (file === "k8s/base/every-service.yaml") return true;
    if (file === "k8s/base/with-redis.yaml") return withRedis.includes(service);
    return metadata.name === service;
  });
}

function imageEnvironment(): Record<string, string> {
  return Object.fromEntries(
    [...dockerfile.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
}

const adminPort = Number(imageEnvironment()["ADMIN_PORT"]);

function composeEnvironment(service: string): Record<string, string> {
  const own = Object.entries(compose[service]?.environment ?? {}).map(([name, value]) => [
    name,
    value.replace(/^\$\{\w+:-(.*)\}$/, "$1"),
  ]);
  return { ...imageEnvironment(), ...(Object.fromEntries(own) as Record<string, string>) };
}

/** `NAME_FILE` by its name; the file itself is not here. */
function kubernetesEnvironment(service: string, only?: string): Record<string, string> {
  const env = piecesOf(service, only).flatMap((piece) => containerOf(piece).env ?? []);
  const shared = [...readText("k8s/base/kustomization.yaml").matchAll(/^ {6}- ([A-Z_]+)=(.*)$/gm)];
  return {
    ...imageEnvironment(),
    ...Object.fromEntries(shared.map(([, name = "", value = ""]) => [name, value])),
    ...Object.fromEntries(
      env.map(({ name, value }) => [name.replace(/_FILE$/, ""), name.endsWith("_FILE") ? "" : (value ?? "")]),
    ),
  };
}

/** The settings that a service reads from these variables. */
function numbersOf(service: string, env: Record<string, string>): Readonly<Record<string, number>> {
  return loadConfig(entryOf(service).schema, env) as Readonly<Record<string, number>>;
}

function drainMs(service: string, env: Record<string, string>): number {
  const config = numbersOf(service, env);
  const setting = (name: string): number => config[name] ?? Number.NaN;
  const bounds: Readonly<Record<string, () => number>> = {
    // The bound of its ingester's close in main.ts.
    ingest: () => 10_000,
    edge: () => setting("drainNoticeMs") + setting("drainTimeoutMs"),
    // First the uploads, then other requests.
    gateway: () => 2 * setting("drainTimeoutMs"),
    worker: () => setting("drainTimeoutMs") + setting("stopTimeoutMs"),
  };
  return bounds[service]?.() ?? Number.NaN;
}

describe.each([...SERVICE_CATALOG.keys()])("%s", (service) => {
  const { schema } = entryOf(service);
  // Ingest and worker have no clients that connect to them.
  const ofImage = new Set(["NODE_ENV", "HOST"]);
  const unknownTo = (env: Record<string, string>): string[] =>
    Object.keys(env).filter((name) => !(name in schema.shape) && !ofImage.has(name));

  test("is given only settings that it has, with values that it takes", () => {
    for (const env of [composeEnvironment(service), kubernetesEnvironment(service)]) {
      expect(unknownTo(env)).toEqual([]);
      expect(() => loadConfig(schema, env)).not.toThrow();
    }
  });

  test("is told where NATS is, and Redis if it uses one", () => {
    const servers = ["NATS_URL", "REDIS_URL"].filter((name) => name in schema.shape);
    expect(Object.keys(composeEnvironment(service))).toEqual(expect.arrayContaining(servers));
    expect(Object.keys(kubernetesEnvironment(service, "k8s/base"))).toEqual(expect.arrayContaining(servers));
  });

  test("runs by its own entry file", () => {
    const file = `services/${service}/src/main.ts`;
    expect(existsSync(join(REPOSITORY, file))).toBe(true);
    expect(compose[service]?.command?.at(-1)).toBe(file);
    expect(containerOf(deployment(`k8s/base/${service}.yaml`)).args?.at(-1)).toBe(file);
  });

  test("has more time to end than its drain takes", () => {
    const pieces = piecesOf(service);
    const graces = pieces.flatMap((piece) => piece.spec.template?.spec.terminationGracePeriodSeconds ?? []);
    const preStops = pieces.map((piece) => containerOf(piece).lifecycle?.preStop?.sleep?.seconds ?? 0);
    const kubernetesMs = drainMs(service, kubernetesEnvironment(service)) + Math.max(...preStops) * 1000;
    expect(Math.min(...graces) * 1000).toBeGreaterThanOrEqual(kubernetesMs + CLOSING_MS);

    const composeGrace = Number.parseInt(compose[service]?.stop_grace_period ?? "", 10);
    const composeMs = drainMs(service, composeEnvironment(service));
    expect(composeGrace * 1000).toBeGreaterThanOrEqual(composeMs + CLOSING_MS);
  });

  test("is probed on its admin port: alive by /healthz, ready by /readyz", () => {
    const { ports, startupProbe, readinessProbe, livenessProbe } = containerOf(
      deployment("k8s/base/every-service.yaml"),
    );
    expect(ports).toEqual([{ name: "admin", containerPort: adminPort }]);
    expect(startupProbe?.httpGet).toEqual({ path: "/healthz", port: "admin" });
    expect(livenessProbe?.httpGet).toEqual({ path: "/healthz", port: "admin" });
    expect(readinessProbe?.httpGet).toEqual({ path: "/readyz", port: "admin" });
    const own = containerOf(deployment(`k8s/base/${service}.yaml`));
    expect([own.startupProbe, own.readinessProbe, own.livenessProbe]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("images", () => {
  const images = [
    ...Object.values(compose).map(({ image }) => image),
    ...manifests.flatMap(
      ({ spec }) => spec.template?.spec.containers.flatMap(({ image }) => image ?? []) ?? [],
    ),
    captureOnly(dockerfile, /^ARG NODE_IMAGE=(\S+)$/),
  ].filter((image) => image !== "sluice");

  test("are pinned by a full version", () => {
    expect(images.length).toBeGreaterThan(5);
    for (const image of images) expect(image).toMatch(/^[a-z/]+:v?\d+\.\d+\.\d+(-[a-z0-9.-]+)?$/);
  });

  test("are of one version wherever they are used", () => {
    const names = new Set(images.map((image) => image.split(":")[0]));
    expect(new Set(images).size).toBe(names.size);
    const tag = captureOnly(readText("k8s/base/kustomization.yaml"), /newTag: (\S+)$/);
    expect(images).toContain(`sluice:${tag}`);
    expect((readYaml("package.json") as { version: string }).version).toBe(tag);
  });

  test("run Node 24 as a user of no name, and say by /healthz that they live", () => {
    expect(dockerfile).toMatch(/^ARG NODE_IMAGE=node:24\./m);
    expect(dockerfile).toMatch(/^USER 1000:1000$/m);
    expect(dockerfile).toMatch(/^HEALTHCHECK [^\n]*\n[^\n]*ADMIN_PORT \+ '\/healthz'/m);
  });
});

describe("ports", () => {
  test.each(["edge", "gateway"])("of the %s are the same in the image, compose and Kubernetes", (service) => {
    const port = numbersOf(service, {})["port"];
    expect(
      captureOnly(dockerfile, /^EXPOSE (.*)$/)
        .split(" ")
        .map(Number),
    ).toEqual(expect.arrayContaining([port, adminPort]));
    expect(containerOf(deployment(`k8s/base/${service}.yaml`)).ports).toEqual([
      { name: "http", containerPort: port },
    ]);
    const published = compose[service === "edge" ? "balancer" : service]?.ports;
    expect(published).toEqual([`127.0.0.1:${port}:${port}`]);
  });

  test("of the balancer are the edge's, on both sides", () => {
    const { port } = numbersOf("edge", {});
    expect(Number(captureOnly(haproxy, /bind \*:(\d+)$/))).toBe(port);
    expect(Number(captureOnly(haproxy, /server-template edge \S+ edge:(\d+)$/))).toBe(port);
  });

  test("for operators are those that Prometheus scrapes and the balancer checks", () => {
    const { scrape_configs: jobs } = readYaml("deploy/prometheus/prometheus.yml") as {
      scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[];
    };
    const targets = jobs.flatMap((job) => job.dns_sd_configs);
    expect(targets.map(({ port }) => port)).toEqual([adminPort]);
    expect(targets.flatMap(({ names }) => names).toSorted()).toEqual([...SERVICE_CATALOG.keys()].toSorted());
    expect(Number(captureOnly(haproxy, /default-server port (\d+) /))).toBe(adminPort);
    expect(haproxy).toContain("http-check send meth GET uri /readyz");
  });
});

describe("limits that have to fit one another", () => {
  const edge = numbersOf("edge", kubernetesEnvironment("edge", "k8s/base"));

  test("the balancer bears an edge's silence, and notices its drain before it closes anything", () => {
    const seconds = [...haproxy.matchAll(/timeout (?:client|server) (\d+)s$/gm)].map(([, text]) =>
      Number(text),
    );
    const ofCompose = numbersOf("edge", composeEnvironment("edge"));
    expect(seconds).toHaveLength(2);
    expect(Math.min(...seconds) * 1000).toBeGreaterThan(2 * (ofCompose["keepAliveIntervalMs"] ?? Infinity));
    const [, inter, fall] = / inter (\d+)s fall (\d+) /.exec(haproxy) ?? [];
    expect(Number(inter) * Number(fall) * 1000).toBeLessThan(ofCompose["drainNoticeMs"] ?? 0);
  });

  test("Kubernetes' ingress bears an edge's silence too", () => {
    const seconds = [
      ...readText("k8s/overlays/production/ingress.yaml").matchAll(/timeout(?:-server)?: "?(\d+)s?"?$/gm),
    ];
    expect(seconds).toHaveLength(3);
    for (const [, text] of seconds)
      expect(Number(text) * 1000).toBeGreaterThan(2 * (edge["keepAliveIntervalMs"] ?? Infinity));
  });

  test("an edge sheds readers before the kernel kills it", () => {
    const { resources, args } = containerOf(deployment("k8s/base/edge.yaml"));
    const limit = parseBytes(resources?.limits?.memory ?? "");
    expect(limit).toBeGreaterThan(edge["hardRssBytes"] ?? Infinity);
    const heap = Number(captureOnly(args?.[0] ?? "", /^--max-old-space-size=(\d+)$/)) * 2 ** 20;
    expect(heap).toBeLessThanOrEqual(edge["softRssBytes"] ?? 0);
  });

  test("when one of the fewest edges goes, the others have room for its readers", () => {
    const scaler = manifests.find(({ file }) => file === "k8s/overlays/production/edge-autoscaler.yaml");
    const target = scaler?.spec.metrics?.find(({ pods }) => pods !== undefined)?.pods?.target.averageValue;
    const fewest = scaler?.spec.minReplicas ?? 0;
    expect(fewest).toBe(3);
    expect((Number(target) * fewest) / (fewest - 1)).toBeLessThan(edge["maxConnections"] ?? 0);
  });

  test.each(["deploy/nats.conf", NATS_CLUSTER])("a largest chunk fits through a server of %s", (file) => {
    const maxPayload = parseBytes(captureOnly(readText(file), /^max_payload: (\S+)$/));
    expect(maxPayload).toBeGreaterThanOrEqual(MAX_CHUNK_BYTES + MESSAGE_OVERHEAD_BYTES);
  });

  test.each([
    ["deploy/nats.conf", "k8s/overlays/local/nats.yaml", "k8s/base"],
    [NATS_CLUSTER, "k8s/overlays/production/nats.yaml", "k8s/"],
  ])("the log fits into the store of %s, and that onto its disk", (config, file, overlay) => {
    const ingest = numbersOf("ingest", kubernetesEnvironment("ingest", overlay));
    // What REJECTED may take beside it: libs/broker-nats/src/log-setup.ts.
    const needed = (ingest["logMaxBytes"] ?? Infinity) + 256 * 2 ** 20;
    const store = parseBytes(captureOnly(readText(config), /^ {2}max_file_store: (\S+)$/));
    const claim = deployment(file).spec.volumeClaimTemplates?.[0]?.spec.resources.requests.storage ?? "";
    expect(store).toBeGreaterThan(needed);
    expect(parseBytes(claim)).toBeGreaterThan(store * 1.08);
  });

  test("production keeps three copies of the log on three servers that flush what they acknowledge", () => {
    const env = kubernetesEnvironment("ingest");
    expect(Number(env["LOG_REPLICAS"])).toBe(3);
    expect(deployment("k8s/overlays/production/nats.yaml").spec.replicas).toBe(3);
    expect(readText(NATS_CLUSTER)).toMatch(/^ {2}sync_interval: always$/m);
    expect(readText(NATS_CLUSTER).match(/nats-route:\/\/nats-\d\.nats-servers:6222/g)).toHaveLength(3);
  });

  test("the alert on partitions knows how many there are", () => {
    const count = captureOnly(readText("deploy/prometheus/alerts.yml"), /partitions_owned:sum < (\d+)$/);
    expect(Number(count)).toBe(DEFAULT_PARTITIONS);
  });
});
