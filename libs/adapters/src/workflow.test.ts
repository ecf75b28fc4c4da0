import { describe, expect, it } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fromWorkflow, type WorkflowEvent } from "./workflow.ts";

async function* run(...events: (WorkflowEvent | { type: string })[]) {
  yield* events;
}

describe("fromWorkflow", () => {
  it("turns tasks into Events, progress into Progress and the workflow's end into Complete", async () => {
    const events = run(
      { type: "task_started", task_id: "t1" },
      { type: "timer_fired" },
      { type: "progress", current: 1, total: 2, message: "half" },
      { type: "task_completed", task_id: "t1", output: { rows: 3 } },
      { type: "task_failed", task_id: "t2", error: "no route" },
      { type: "workflow_completed" },
      { type: "task_started", task_id: "too late" },
    );
    expect(await hear(fromWorkflow(events))).toEqual([
      ["task_started", { task_id: "t1" }],
      ["Progress", 1, 2, "half"],
      ["task_completed", { task_id: "t1", output: { rows: 3 } }],
      ["task_failed", { task_id: "t2", error: "no route" }],
      ["Complete", "Workflow completed", expect.anything()],
    ]);
  });

  it("ends with the failure's message and the code workflow_error", async () => {
    expect(await hear(fromWorkflow(run({ type: "workflow_failed", error: "disk full" })))).toEqual([
      ["Error", "disk full", "workflow_error"],
    ]);
  });

  it("takes no workflow for completed that didn't say so", async () => {
    expect(await hear(fromWorkflow(run({ type: "task_started", task_id: "t1" })))).toEqual([
      ["task_started", { task_id: "t1" }],
      ["Error", "the workflow broke off without an end", "workflow_error"],
    ]);
  });
});
