/** Ids as caches and pages order them: by code units, never by a language, in which two processes may differ. */
export function byCodeUnits(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
