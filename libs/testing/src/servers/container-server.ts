import { containerEngineAnswers } from "./container-engine.ts";
import { waitUntil } from "./readiness.ts";
import { ForeignServer } from "./server-handle.ts";
import type { ServerHandle } from "./server-handle.ts";

// Pulling an image over a slow line takes a while; longer than this a local process is the better way.
const START_TIMEOUT_MS = 90_000;
const READY_TIMEOUT_MS = 15_000;

export interface ContainerSpec {
  readonly image: string;
  readonly command: readonly string[];
  readonly files: readonly { readonly target: string; readonly content: string }[];
  readonly containerPort: number;
  readonly scheme: string;
  readonly isReady: (port: number, host: string) => Promise<boolean>;
}

/** @returns undefined where no container engine answers, or it can't run the image: the caller uses a local process */
export async function startContainer(spec: ContainerSpec): Promise<ServerHandle | undefined> {
  if (!(await containerEngineAnswers())) return undefined;
  try {
    const { GenericContainer } = await import("testcontainers");
    const container = await new GenericContainer(spec.image)
      .withCommand([...spec.command])
      .withCopyContentToContainer([...spec.files])
      .withExposedPorts(spec.containerPort)
      .withStartupTimeout(START_TIMEOUT_MS)
      .start();
    const host = container.getHost();
    const port = container.getMappedPort(spec.containerPort);
    try {
      await waitUntil(spec.image, () => spec.isReady(port, host), { timeoutMs: READY_TIMEOUT_MS });
    } catch (error) {
      await container.stop();
      throw error;
    }
    return new ForeignServer(`${spec.scheme}://${host}:${port}`, "in a container", async () => {
      await container.stop();
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${spec.image} does not run in a container (${reason}); using a local process\n`);
    return undefined;
  }
}
