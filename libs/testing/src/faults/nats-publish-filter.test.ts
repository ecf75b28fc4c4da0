import { array, assert, nat, property } from "fast-check";
import { expect, test } from "vitest";
import { NatsPublishFilter } from "./nats-publish-filter.ts";

const KEPT = [
  'CONNECT {"verbose":false}\r\n',
  "PING\r\n",
  "SUB live.a 1\r\n",
  "PUB tail.1 5\r\nPUB l\r\n",
  "PUB here.1 _INBOX.live.1 0\r\n\r\n",
  "HPUB stream.a reply 12 20\r\nNATS/1.0\r\n\r\nlive.a\r\n\r\n",
];
const TAKEN = ["PUB live.a 7\r\na\r\nPING\r\n", "HPUB live.b 12 15\r\nNATS/1.0\r\n\r\nb\r\n\r\n"];

test("takes exactly the messages of the subjects asked for, however the bytes are cut", () => {
  const whole = Buffer.from([...KEPT.slice(0, 3), TAKEN[0], ...KEPT.slice(3), TAKEN[1], KEPT[1]].join(""));
  assert(
    property(array(nat(whole.byteLength)), (cuts) => {
      const taken: [string, string][] = [];
      const filter = new NatsPublishFilter(
        (subject) => subject.startsWith("live."),
        (subject, payload) => taken.push([subject, payload.toString()]),
      );
      const bounds = [0, ...cuts.toSorted((a, b) => a - b), whole.byteLength];
      const passed = bounds.slice(1).map((end, index) => filter.pass(whole.subarray(bounds[index], end)));
      expect(Buffer.concat(passed).toString()).toBe([...KEPT, KEPT[1]].join(""));
      expect(taken).toEqual([
        ["live.a", "a\r\nPING"],
        ["live.b", "b\r\n"],
      ]);
    }),
  );
});
