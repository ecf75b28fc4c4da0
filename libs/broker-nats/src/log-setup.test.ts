import { expect, it } from "vitest";
import { ensureLog } from "./log-setup.ts";
import type { NatsLink } from "./nats-connection.ts";

const OPTIONS = { replicas: 1, maxAgeMs: 1, maxBytes: 1, minRetentionMs: 1, setupTimeoutMs: 0 };

/** A link to a server of that version, on which any request fails. */
function linkTo(version: string): NatsLink {
  const info = (): Promise<never> => Promise.reject(new Error("no answer"));
  const link = {
    connection: { info: { version } },
    maxPayload: 2 ** 21,
    jetStreamManager: { streams: { info } },
  };
  return link as unknown as NatsLink;
}

it.each(["1.4.1", "2.9.25", "2.10.27"])(
  "refuses nats-server %s, and says which would do",
  async (version) => {
    await expect(ensureLog(linkTo(version), OPTIONS)).rejects.toMatchObject({
      code: "LOG_INCOMPATIBLE",
      message: `nats-server is ${version}; Sluice needs 2.11 or newer`,
    });
  },
);

it.each(["2.11.0", "2.12.3", "2.100.0", "3.0.0-beta.1"])("doesn't refuse nats-server %s", async (version) => {
  await expect(ensureLog(linkTo(version), OPTIONS)).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
});
