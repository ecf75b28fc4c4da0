/**
 * How many partitions a member should own so that all are owned and nobody has two more than another.
 * Depends on the list alone, so members that see the same list agree without talking, and their shares sum up to all.
 * @param members all live members, sorted; one that isn't among them gets none
 */
export function fairShare(members: readonly string[], self: string, partitions: number): number {
  const rank = members.indexOf(self);
  if (rank < 0) return 0;
  const remainder = partitions % members.length;
  return Math.floor(partitions / members.length) + (rank < remainder ? 1 : 0);
}
