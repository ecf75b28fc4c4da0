import { expect, test } from "vitest";
import { abandonLimitMsOfOptions, cacheTtlOfOptions, streamOptionsSchema } from "./stream-options.ts";

test("options as they stand in the log are read whatever a newer version may ask for besides", () => {
  const options = '{"cache_ttl":60,"cancel_when_abandoned_seconds":5,"of_tomorrow":{}}';
  expect(cacheTtlOfOptions(options)).toBe(60);
  expect(abandonLimitMsOfOptions(options)).toBe(5_000);
  expect(streamOptionsSchema.safeParse(JSON.parse(options)).success).toBe(false);
});

test("options that say nothing, or can't be read, ask for nothing", () => {
  const malformed = ["", "nonsense", "[]", "null", '{"cancel_when_abandoned_seconds":"5"}'];
  const beyond = ['{"cancel_when_abandoned_seconds":4}', '{"cancel_when_abandoned_seconds":86401}'];
  for (const options of [null, "{}", ...malformed, ...beyond]) {
    expect(cacheTtlOfOptions(options), String(options)).toBeNull();
    expect(abandonLimitMsOfOptions(options), String(options)).toBeNull();
  }
});
