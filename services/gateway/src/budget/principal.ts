import { clientOf } from "@sluice/runtime";
import type { Request } from "express";

/** The name under which a request's sender is counted: its address, of IPv6 its network of 64 bits. */
export function principalOf(request: Request): string {
  return `address:${clientOf(request.ip ?? "")}`;
}
