import { execFile, spawnSync } from "node:child_process";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Bench, NDJSON } from "./gateway-bench.ts";

const hasPython = spawnSync("python3", ["-c", "import http.client"]).status === 0;

/** Sends a line only when the one before it was acknowledged, so it ends only if both directions flow at once. */
const PYTHON = `
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
connection.putrequest("POST", "/streams/s/chunks")
for name, value in [("Content-Type", "${NDJSON}"), ("Accept", "${NDJSON}"), ("Transfer-Encoding", "chunked")]:
    connection.putheader(name, value)
connection.endheaders()
answer = connection.getresponse()
for number in range(1, 51):
    line = json.dumps({"type": "Text", "content": str(number)}).encode() + b"\\n"
    connection.send(b"%x\\r\\n%s\\r\\n" % (len(line), line))
    acknowledged = json.loads(answer.readline())
    assert acknowledged["last_sequence"] == number, acknowledged
connection.send(b"0\\r\\n\\r\\n")
print(answer.readline().decode())
`;

let bench: Bench;
beforeEach(async () => {
  bench = await new Bench(memoryGatewayPorts()).listen();
  await bench.create("s");
});
afterEach(() => bench[Symbol.asyncDispose]());

test("Node's own client sends each line after the acknowledgement of the one before", async () => {
  const request = httpRequest({
    port: bench.port,
    method: "POST",
    path: "/streams/s/chunks",
    headers: { "content-type": NDJSON, accept: NDJSON },
  });
  request.flushHeaders();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const lines = createInterface({ input: response })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value));
  for (let number = 1; number <= 50; number++) {
    request.write(`${JSON.stringify({ type: "Text", content: String(number) })}\n`);
    expect(await nextLine()).toMatchObject({ accepted: 1, last_sequence: number, line: number });
  }
  request.end();
  expect(await nextLine()).toMatchObject({ stream_id: "s", accepted: 50, last_sequence: 50 });
  expect(await lines.next()).toMatchObject({ done: true });
});

test.skipIf(!hasPython)("so does Python's http.client", async () => {
  const { stdout } = await promisify(execFile)("python3", ["-c", PYTHON, String(bench.port)]);
  expect(JSON.parse(stdout)).toMatchObject({ stream_id: "s", accepted: 50, last_sequence: 50 });
});
