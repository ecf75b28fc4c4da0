import type { Express } from "express";

export interface MountedRoute {
  /** HTTP method in upper case. */
  method: string;
  /** Path in the form of express: `/streams/:streamId`. */
  path: string;
}

/** Part of express' router that its types leave out. */
interface Layer {
  route?: { path: string | string[]; methods: Record<string, boolean> };
  handle: { stack?: Layer[] };
  match(path: string): boolean;
}

/** The routes that an application answers, in the order in which they were mounted; its routers stand at the root. */
export function mountedRoutes(app: Express): MountedRoute[] {
  return routeLayers(stackOf(app)).flatMap(({ route }) => {
    const paths = [route.path].flat();
    return methodsOf(route.methods).flatMap((method) => paths.map((path) => ({ method, path })));
  });
}

/** The methods that some route takes at this path, for the header `Allow`; empty: there is no such path. */
export function allowedMethods(app: Express, path: string): string[] {
  const layers = routeLayers(stackOf(app)).filter((layer) => layer.match(path));
  const methods = new Set(layers.flatMap(({ route }) => methodsOf(route.methods)));
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].toSorted();
}

type RouteLayer = Layer & Required<Pick<Layer, "route">>;

function routeLayers(stack: readonly Layer[]): RouteLayer[] {
  return stack.flatMap((layer) => {
    if (layer.route !== undefined) return [layer as RouteLayer];
    return routeLayers(layer.handle.stack ?? []);
  });
}

function stackOf(app: Express): Layer[] {
  return app.router.stack as unknown as Layer[];
}

function methodsOf(methods: Record<string, boolean>): string[] {
  return Object.keys(methods)
    .filter((method) => methods[method] === true)
    .map((method) => method.toUpperCase());
}
