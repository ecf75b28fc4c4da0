import { describe, expect, it } from "vitest";
import { parseRedisUrl } from "./redis-url.ts";

describe("a Redis URL", () => {
  it("names one server, with user, password, port and database", () => {
    expect(parseRedisUrl("redis://localhost")).toEqual({
      kind: "single",
      nodes: [{ host: "localhost", port: 6379 }],
      username: null,
      password: null,
      usesTls: false,
      database: 0,
      masterName: null,
    });
    expect(parseRedisUrl("rediss://me:p%40ss%2Fword@cache.internal:7000/3")).toMatchObject({
      nodes: [{ host: "cache.internal", port: 7000 }],
      username: "me",
      password: "p@ss/word",
      usesTls: true,
      database: 3,
    });
    expect(parseRedisUrl("redis://:secret@[::1]:7000")).toMatchObject({
      nodes: [{ host: "::1", port: 7000 }],
      username: null,
      password: "secret",
    });
  });

  it("names a cluster, by its scheme or by listing nodes", () => {
    const nodes = [
      { host: "a", port: 7001 },
      { host: "b", port: 7002 },
    ];
    for (const url of [
      "redis+cluster://a:7001,b:7002",
      "redis://a:7001,b:7002",
      "redis://a:7001,redis://b:7002",
    ]) {
      expect(parseRedisUrl(url)).toMatchObject({ kind: "cluster", nodes });
    }
    expect(parseRedisUrl("redis+cluster://:secret@a:7001")).toMatchObject({
      kind: "cluster",
      password: "secret",
    });
  });

  it("names sentinels and the master that they watch", () => {
    expect(parseRedisUrl("redis+sentinel://:secret@a,b:26380/main/2")).toMatchObject({
      kind: "sentinel",
      nodes: [
        { host: "a", port: 26379 },
        { host: "b", port: 26380 },
      ],
      password: "secret",
      masterName: "main",
      database: 2,
    });
  });

  it("is refused with the reason, and without its password", () => {
    const refusals = {
      "http://:secret@a": "a Redis URL begins with",
      "redis://": "a Redis URL begins with",
      "redis://:secret@a:70000": "is no host:port",
      "redis://a:1,,b:2": "is no host:port",
      "redis://a/one": "is no database number",
      "redis+sentinel://:secret@a:1": "needs the master's name",
    };
    for (const [url, reason] of Object.entries(refusals)) {
      expect(() => parseRedisUrl(url)).toThrow(reason);
      expect(() => parseRedisUrl(url)).not.toThrow("secret");
    }
  });
});
