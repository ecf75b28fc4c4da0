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
