import type { ServiceReport, ServiceReports, Subscription } from "@sluice/core";

type Describe = () => Promise<ServiceReport>;

/** Services of one process. */
export class MemoryServiceReports implements ServiceReports {
  readonly #describers = new Set<Describe>();

  async gather(timeoutMs: number): Promise<readonly ServiceReport[]> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), timeoutMs);
    });
    const answers = await Promise.all(
      [...this.#describers].map((describe) => Promise.race([describe().catch(() => null), tooLate])),
    );
    clearTimeout(timer);
    return answers.filter((report) => report !== null);
  }

  serve(describe: Describe): Subscription {
    // Wrapped, so that one function given twice is two registrations.
    const entry: Describe = () => describe();
    this.#describers.add(entry);
    return { close: () => void this.#describers.delete(entry) };
  }
}
