/** ms of the machine's monotonic clock, which all its processes share: stamps of two processes can be subtracted. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
