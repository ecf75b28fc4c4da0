import { connectProducer } from "@sluice/producer";
import { serve } from "../src/actor.ts";
import { Sending, type Publisher } from "../src/sending.ts";
import { streamIdOf, type Workload } from "../src/workload.ts";

export interface SdkPublisher extends Publisher {
  /** Creates the streams. `chunksPerMessage` has no say here: the SDK gathers what piles up by itself. */
  open(options: { natsUrl: string; workload: Workload }): Promise<void>;
}

let sending: Sending;

serve({
  async open({ natsUrl, workload }) {
    const manager = await connectProducer({ servers: natsUrl, name: "bench" });
    const handles = await Promise.all(
      Array.from({ length: workload.streams }, async (_, stream) => {
        return (await manager.createStream({ streamId: streamIdOf(workload, stream) })).handle;
      }),
    );
    sending = new Sending(
      workload,
      handles.map((handle) => (text) => handle.sendText(text)),
    );
  },
  runPaced: (options) => sending.runPaced(options),
  runUnpaced: (options) => sending.runUnpaced(options),
} satisfies SdkPublisher);
