import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { REPOSITORY } from "./local/paths.ts";

/** The parts of a Kubernetes container that its settings, ports and probes depend on. */
export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly resources?: { readonly limits?: { readonly memory?: string } };
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
}

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly periodSeconds?: number;
  readonly failureThreshold?: number;
}

export interface Manifest {
  readonly file: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly minReplicas?: number;
    readonly metrics?: readonly {
      readonly pods?: {
        readonly metric: { readonly name: string };
        readonly target: { readonly averageValue: string };
      };
    }[];
    readonly template?: {
      readonly spec: {
        readonly terminationGracePeriodSeconds?: number;
        readonly containers: readonly Container[];
      };
    };
    readonly volumeClaimTemplates?: readonly {
      readonly spec: { readonly resources: { readonly requests: { readonly storage: string } } };
    }[];
  };
}

export interface ComposeService {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly stop_grace_period?: string;
}

export function readText(path: string): string {
  return readFileSync(join(REPOSITORY, path), "utf8");
}

/** Holds any shape: the caller knows it. */
export function readYaml(path: string): unknown {
  return parse(readText(path), { merge: true });
}

export function readCompose(): Readonly<Record<string, ComposeService>> {
  return (readYaml("docker-compose.yml") as { services: Record<string, ComposeService> }).services;
}

/** All objects and patches under k8s/, as written: kustomize has not put them together. */
export function readManifests(): Manifest[] {
  const files = readdirSync(join(REPOSITORY, "k8s"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".yaml") && entry.name !== "kustomization.yaml")
    .map((entry) => relative(REPOSITORY, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .toSorted();
  return files.flatMap((file) =>
    parseAllDocuments(readText(file), { merge: true }).map((document) => {
      if (document.errors[0] !== undefined) throw new Error(`${file}: ${document.errors[0].message}`);
      // A Namespace has no spec.
      const { spec = {}, ...rest } = document.toJS() as Omit<Manifest, "file" | "spec"> & Partial<Manifest>;
      return { ...rest, spec, file };
    }),
  );
}

/** Bytes of `2Gi`, `2Mi` (Kubernetes) or `2MB`, `2GB` (NATS, taken as the smaller of what they could mean). */
export function parseBytes(text: string): number {
  const UNITS: Readonly<Record<string, number>> = { Mi: 2 ** 20, Gi: 2 ** 30, MB: 1e6, GB: 1e9 };
  const [, amount, unit = ""] = /^(\d+)(\w+)$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined) throw new Error(`not a size: ${text}`);
  return Number(amount) * factor;
}

/** The only capture of a pattern in a text. */
export function captureOnly(text: string, pattern: RegExp): string {
  const [first, second] = [...text.matchAll(new RegExp(pattern, "gm"))];
  const captured = first?.[1];
  if (captured === undefined || second !== undefined)
    throw new Error(`${String(pattern)} has no single match`);
  return captured;
}
