import { memoryGatewayPorts } from "@sluice/testing";
import { expect, test } from "vitest";
import { Bench, text } from "./gateway-bench.ts";

test("a registry is as large after 500 streams that were made, written, asked about, cancelled and refused something as after ten", async () => {
  await using bench = await new Bench(memoryGatewayPorts()).listen();
  const seriesAfter = async (streams: number, prefix: string): Promise<number> => {
    for (let number = 0; number < streams; number++) {
      const path = `/streams/${prefix}-${number}`;
      const statuses = [
        await bench.create(`${prefix}-${number}`),
        await bench.create(`${prefix}-${number}`),
        await bench.call("POST", `${path}/chunks`, text("x")),
        await bench.call("POST", `${path}/chunks`, "{"),
        await bench.call("GET", path),
        await bench.call("POST", `${path}/cancel`),
        await bench.call("POST", `${path}/chunks`, { type: "Complete" }),
      ].map(({ status }) => status);
      expect(statuses).toEqual([201, 409, 200, 400, 404, 503, 200]);
    }
    return (await bench.registry.metrics()).split("\n").filter((line) => line.startsWith("sluice_gateway_"))
      .length;
  };
  const few = await seriesAfter(10, "few");
  expect(few).toBeGreaterThan(5);
  expect(await seriesAfter(500, "many")).toBe(few);
});
