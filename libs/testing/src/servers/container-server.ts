import { setTimeout as delay } from "node:timers/promises";
import type { StartedTestContainer } from "testcontainers";
import { containerEngineAnswers } from "./container-engine.ts";
import { waitUntil, ForeignServer, type ServerHandle } from "@sluice/servers";

// Pulling an image over a slow line takes a while; longer than this, and within the time that a test's set-up has, a
// local process is the better way.
const START_TIMEOUT_MS = 45_000;
const READY_TIMEOUT_MS = 10_000;

export interface ContainerSpec {
  readonly image: string;
  readonly command: readonly string[];
  readonly files: readonly { readonly target: string; readonly content: string }[];
  readonly containerPort: number;
  readonly scheme: string;
  readonly isReady: (port: number, host: string) => Promise<boolean>;
}

// An image that could not be had once is not waited for again in the same process.
const refusedImages = new Set<string>();

/** @returns undefined where no container engine answers, or it can't run the image: the caller uses a local process */
export async function startContainer(spec: ContainerSpec): Promise<ServerHandle | undefined> {
  if (refusedImages.has(spec.image) || !(await containerEngineAnswers())) return undefined;
  try {
    const container = await runContainer(spec);
    const host = container.getHost();
    const port = container.getMappedPort(spec.containerPort);
    const stop = async (): Promise<void> => void (await container.stop());
    try {
      await waitUntil(spec.image, () => spec.isReady(port, host), { timeoutMs: READY_TIMEOUT_MS });
    } catch (error) {
      await stop();
      throw error;
    }
    return new ForeignServer(`${spec.scheme}://${host}:${port}`, "in a container", stop);
  } catch (error) {
    refusedImages.add(spec.image);
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${spec.image} does not run in a container (${reason}); using a local process\n`);
    return undefined;
  }
}

async function runContainer(spec: ContainerSpec): Promise<StartedTestContainer> {
  const { GenericContainer } = await import("testcontainers");
  const starting = new GenericContainer(spec.image)
    .withCommand([...spec.command])
    .withCopyContentToContainer([...spec.files])
    .withExposedPorts(spec.containerPort)
    .start();
  const tooLate = delay(START_TIMEOUT_MS, undefined, { ref: false });
  const container = await Promise.race([starting, tooLate]);
  if (container !== undefined) return container;
  // It may still come up; nobody would stop it then.
  void starting.then(
    (late) => late.stop(),
    () => {},
  );
  throw new Error(`it took longer than ${START_TIMEOUT_MS / 1000} s`);
}
