import { describe, expect, it } from "vitest";
import { CANCELLED_CODE, endStatusOf } from "./chunk.ts";

describe("endStatusOf", () => {
  it("ends a stream with Complete and Error, a cancelled one by the code, and with nothing else", () => {
    expect(endStatusOf({ type: "Complete", summary: null })).toBe("completed");
    expect(endStatusOf({ type: "Error", error: "no", code: "llm_error" })).toBe("errored");
    expect(endStatusOf({ type: "Error", error: "no", code: CANCELLED_CODE })).toBe("cancelled");
    expect(endStatusOf({ type: "Error", error: "no", code: "cancelled" })).toBe("errored");
    expect(endStatusOf({ type: "Text", content: "Complete" })).toBeNull();
    expect(endStatusOf({ type: "Event", event_type: "Error", payload: null })).toBeNull();
    expect(endStatusOf({ type: "Heartbeat" })).toBeNull();
  });
});
