import type { Request, Response } from "express";
import type { Socket } from "node:net";

/** Waiters by connection: all requests on it that aren't answered. */
const UNANSWERED = new WeakMap<Socket, Set<AbortController>>();

/**
 * Aborted when the response is over, or the client has gone before. Responses that wait behind earlier ones of their
 * connection don't hear of its end by themselves: their work would be done for nobody.
 */
export function clientGone(request: Request, response: Response): AbortSignal {
  const gone = new AbortController();
  const unanswered = unansweredOn(request.socket);
  unanswered.add(gone);
  response.once("close", () => {
    unanswered.delete(gone);
    gone.abort();
  });
  if (request.socket.destroyed) gone.abort();
  return gone.signal;
}

function unansweredOn(socket: Socket): Set<AbortController> {
  const known = UNANSWERED.get(socket);
  if (known !== undefined) return known;
  const controllers = new Set<AbortController>();
  UNANSWERED.set(socket, controllers);
  socket.once("close", () => {
    for (const controller of controllers) controller.abort();
    controllers.clear();
  });
  return controllers;
}
