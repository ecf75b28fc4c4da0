/**
 * Has schemathesis (PyPI) send requests as OpenAPI describes them, and as it doesn't, to a gateway and an edge, and hold the
 * answers against the description. Too slow for the check; for the night:
 *
 *     node scripts/run.mjs deploy/system/described-requests.ts
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pythonWith } from "./other-languages.ts";
import { startStack } from "./stack.ts";

const PACKAGES = ["schemathesis==4.32.5"];
// What a description can't say is refused rightly: a stream that was deleted, a key that was used, two parameters at once.
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_schema_conformance",
  "negative_data_rejection",
  "unsupported_method",
  "allow_header_conformance",
];

const schemathesis = join(dirname(await pythonWith(PACKAGES)), "schemathesis");
const unlimited = { CONNECTS_PER_SECOND: "100000", CONNECT_BURST: "100000" };
await using stack = await startStack({
  ingest: 1,
  edges: 1,
  gateway: true,
  worker: true,
  env: { gateway: { CONTROL_ENABLED: "true" }, edge: unlimited },
});
// An edge keeps requests open for up to 30 s, and streams for longer: of those only the cases that cover the description are sent.
for (const [url, phases] of [
  [stack.gatewayUrl, "coverage,fuzzing,stateful"],
  [stack.edgeUrl, "coverage"],
] as const) {
  const bounds = ["--phases", phases, "--max-examples", "20", "--workers", "2", "--request-timeout", "40"];
  const run = spawn(
    schemathesis,
    ["run", `${url}/openapi.json`, "--checks", CHECKS.join(), ...bounds, "--no-color"],
    // It keeps what it found in its working directory.
    { stdio: "inherit", cwd: tmpdir() },
  );
  const [code] = (await once(run, "exit")) as [number | null];
  if (code !== 0) process.exitCode = 1;
}
