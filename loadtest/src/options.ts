import { InvalidArgumentError } from "commander";

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError("It must be a number above 0.");
  return value;
}

/** `1,100,5000` */
export function numberList(text: string): number[] {
  return text.split(",").map(positiveNumber);
}

/** How many streams, and how many connections each. */
export interface Shape {
  streams: number;
  readersPerStream: number;
}

/** `1x1000,100x10` */
export function shapeList(text: string): Shape[] {
  return text.split(",").map((shape) => {
    const [streams = 0, readersPerStream = 0] = shape.split("x").map(positiveNumber);
    return { streams, readersPerStream: positiveNumber(String(readersPerStream)) };
  });
}

export const shapeName = ({ streams, readersPerStream }: Shape): string => `${streams}x${readersPerStream}`;
