import { VerifyingReader } from "@sluice/testing";
import { freePorts } from "@sluice/servers";
import { expect, test } from "vitest";
import { runEmbedded } from "./embedded.ts";

const PROMPT = { method: "POST", headers: { "Content-Type": "application/json" } };

test("embedded, the same code answers a prompt through the whole path, and a reader that resumes gets the rest", async () => {
  const [edge = 0, gateway = 0] = await freePorts(2);
  const sluice = await runEmbedded({ ports: { edge, gateway }, tokensPerSecond: 2_000, environment: {} });
  try {
    const asked = await fetch(`${sluice.urls.gateway}/prompts`, {
      ...PROMPT,
      body: JSON.stringify({ prompt: "How are chunks numbered?" }),
    });
    expect(asked.status).toBe(201);
    const { stream_id: streamId } = (await asked.json()) as { stream_id: string };
    const reader = new VerifyingReader({
      edgeUrl: () => sluice.urls.edge,
      streamId,
      onChunk: (sequence) => {
        if (sequence === 20) reader.cut();
      },
    });
    await reader.run();
    expect(reader.problems).toEqual([]);
    expect(reader.connections).toBeGreaterThan(1);
    expect(reader.endedWith).toBe("complete");
    expect(reader.chunks).toBe(reader.lastSequence);

    const status = (await (await fetch(`${sluice.urls.gateway}/streams/${streamId}`)).json()) as object;
    expect(status).toMatchObject({ status: "completed", head_sequence: reader.lastSequence });
  } finally {
    await sluice.close();
  }
  await expect(fetch(sluice.urls.gateway)).rejects.toThrow();
});

test("embedded, a port that is taken is an error, and nothing is left running", async () => {
  const [edge = 0, gateway = 0] = await freePorts(2);
  const first = await runEmbedded({ ports: { edge, gateway }, tokensPerSecond: undefined, environment: {} });
  const [otherEdge = 0] = await freePorts(1);
  const again = { ports: { edge: otherEdge, gateway }, tokensPerSecond: undefined, environment: {} };
  await expect(runEmbedded(again)).rejects.toThrow(/EADDRINUSE/);
  await first.close();
  await expect(fetch(`http://127.0.0.1:${otherEdge}/`)).rejects.toThrow();
});
