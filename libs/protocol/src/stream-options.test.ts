import { expect, test } from "vitest";
import {
  abandonLimitMsOfOptions,
  cacheTtlOfOptions,
  keepAliveIntervalMsOfOptions,
  streamOptionsSchema,
} from "./stream-options.ts";

test("options as they stand in the log are read whatever a newer version may ask for besides", () => {
  const options =
    '{"cache_ttl":60,"cancel_when_abandoned_seconds":5,"heartbeat_interval_ms":1000,"of_tomorrow":{}}';
  expect(cacheTtlOfOptions(options)).toBe(60);
  expect(abandonLimitMsOfOptions(options)).toBe(5_000);
  expect(keepAliveIntervalMsOfOptions(options)).toBe(1_000);
  expect(streamOptionsSchema.safeParse(JSON.parse(options)).success).toBe(false);
});

test("options that say nothing, or can't be read, ask for nothing", () => {
  const malformed = ["", "nonsense", "[]", "null", '{"cancel_when_abandoned_seconds":"5"}'];
  const beyond = ['{"cancel_when_abandoned_seconds":4}', '{"cancel_when_abandoned_seconds":86401}'];
  for (const options of [null, "{}", ...malformed, ...beyond]) {
    expect(cacheTtlOfOptions(options), String(options)).toBeNull();
    expect(abandonLimitMsOfOptions(options), String(options)).toBeNull();
    expect(keepAliveIntervalMsOfOptions(options), String(options)).toBeNull();
  }
});

test.each([
  [999, false],
  [1_000, true],
  [3_600_000, true],
  [3_600_001, false],
  [1_500.5, false],
  ["1000", false],
])("a heartbeat_interval_ms of %j is taken: %j", (heartbeat_interval_ms, isTaken) => {
  const options = { heartbeat_interval_ms };
  expect(streamOptionsSchema.safeParse(options).success).toBe(isTaken);
  expect(keepAliveIntervalMsOfOptions(JSON.stringify(options))).toBe(isTaken ? heartbeat_interval_ms : null);
});
