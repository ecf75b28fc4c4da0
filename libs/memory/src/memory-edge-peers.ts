import {
  StreamError,
  type ConnectionPage,
  type ConnectionQuery,
  type EdgePeers,
  type EdgePod,
  type StreamChange,
  type Subscription,
} from "@sluice/core";

/** Edge pods of one process. */
export class MemoryEdgePeers implements EdgePeers {
  readonly #pods = new Map<string, EdgePod>();

  serve(podId: string, pod: EdgePod): Subscription {
    this.#pods.set(podId, pod);
    return { close: () => void (this.#pods.get(podId) === pod && this.#pods.delete(podId)) };
  }

  async changeStreams(podId: string, change: StreamChange, timeoutMs: number): Promise<void> {
    const pod = this.#pods.get(podId);
    if (pod === undefined) throw new StreamError("CONNECTION_NOT_FOUND", "there is no such connection");
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new StreamError("CONNECTION", "the connection's server did not answer; try again")),
        timeoutMs,
      );
    });
    try {
      await Promise.race([pod.changeStreams(change), tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  async listConnections(query: ConnectionQuery): Promise<readonly ConnectionPage[]> {
    return [...this.#pods.values()].map((pod) => pod.listConnections(query));
  }
}
