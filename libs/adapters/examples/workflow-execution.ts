/**
 * Workflow run, as a stream.
 *
 *   node libs/adapters/examples/workflow-execution.ts nats://127.0.0.1:4222
 */
import { fromWorkflow, type WorkflowEvent } from "@sluice/adapters/workflow";
import { connectProducer, type StreamManager } from "@sluice/producer";

/** Stand-in for your engine: anything that reports its tasks one by one. */
async function* runWorkflow(): AsyncGenerator<WorkflowEvent> {
  for (const [index, task_id] of ["fetch", "transform", "store"].entries()) {
    yield { type: "task_started", task_id };
    yield { type: "task_completed", task_id, output: { rows: index * 100 } };
    yield { type: "progress", current: index + 1, total: 3, message: `${task_id} done` };
  }
  yield { type: "workflow_completed" };
}

async function streamWorkflowExecution(
  manager: StreamManager,
): Promise<{ streamId: string; written: Promise<unknown> }> {
  const { streamId, handle } = await manager.createStream();
  // Ends the stream as well: completed, or with the workflow's error.
  const written = handle.pipe(fromWorkflow(runWorkflow(), { signal: handle.signal }));
  return { streamId, written };
}

const [servers = "nats://127.0.0.1:4222"] = process.argv.slice(2);
await using manager = await connectProducer({ servers });
const { streamId, written } = await streamWorkflowExecution(manager);
process.stdout.write(`${streamId}\n`);
await written;
