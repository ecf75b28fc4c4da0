import type { Stack } from "@sluice/deploy";

/** The processes of a stack by what they are: replicas together. */
export function processesOf(stack: Stack): Record<string, number[]> {
  const groups: Record<string, number[]> = {};
  const add = (name: string, pid: number | undefined): void => {
    if (pid !== undefined) (groups[name] ??= []).push(pid);
  };
  add("nats", stack.nats?.pid);
  add("redis", stack.redis.pid);
  for (const [name, service] of stack.services) add(name.replace(/-\d+$/, ""), service.pid);
  return groups;
}
