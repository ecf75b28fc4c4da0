import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { REPOSITORY } from "./local/paths.ts";
import { SERVICE_CATALOG, defaultsOf } from "./service-catalog.ts";

const SECTION = /^# -{4} (\w+) -+$/;

interface Example {
  readonly settings: Map<string, string>;
  /** Names without a comment in the line above. */
  readonly unexplained: string[];
}

/** The file's sections by service. */
function readExample(text: string): Map<string, Example> {
  const sections = new Map<string, Example>();
  let section: Example | undefined;
  let above = "";
  for (const line of text.split("\n")) {
    const service = SECTION.exec(line)?.[1];
    const assignment = /^#([A-Z_]+)=(.*)$/.exec(line);
    if (service !== undefined) {
      section = { settings: new Map(), unexplained: [] };
      sections.set(service, section);
    } else if (assignment !== null) {
      const [, name = "", value = ""] = assignment;
      if (section === undefined) throw new Error(`${name} stands outside of a section`);
      if (section.settings.has(name)) throw new Error(`${name} stands twice in a section`);
      section.settings.set(name, value);
      if (!/^# \S/.test(above)) section.unexplained.push(name);
    }
    above = line;
  }
  return sections;
}

const example = readExample(readFileSync(join(REPOSITORY, ".env.example"), "utf8"));

test(".env.example has a section for each service that has settings, and no other", () => {
  const services = join(REPOSITORY, "services");
  const withSettings = readdirSync(services).filter((name) =>
    readdirSync(join(services, name, "src")).includes("config.ts"),
  );
  expect([...SERVICE_CATALOG.keys()].toSorted()).toEqual(withSettings.toSorted());
  expect([...example.keys()].toSorted()).toEqual(withSettings.toSorted());
});

test.each([...SERVICE_CATALOG])(
  ".env.example lists the settings of %s with their defaults",
  (name, entry) => {
    const listed = example.get(name)?.settings ?? new Map<string, string>();
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(defaultsOf(entry)));
  },
);

test.each([...example])(".env.example explains each setting of %s", (_name, { unexplained }) => {
  expect(unexplained).toEqual([]);
});
