import type { Group, Groups } from '@downpour/contracts';

/**
 * Groups of so many workers each, from those who are there. A group whose members are all there stays as it is; a place that is empty goes to a worker that is free; what cannot
 * be filled is dissolved and its members are free. The earliest groups are filled first, so that as few as possible change.
 * @param size partitions of the model
 * @param workers instances that may be given something, in any order
 */
export function formGroups(before: Groups, size: number, workers: readonly string[]): Groups {
  const there = new Set(workers);
  const kept = before.formed.map((group) => ({ ...group, alive: group.members.filter((member) => there.has(member)) }));
  const seated = new Set(kept.flatMap(({ alive }) => alive));
  const free = [...there].filter((worker) => !seated.has(worker)).sort();
  let generation = before.newest;
  const whole = kept.filter(({ alive }) => alive.length === size);
  // Those that lack fewest first: free workers complete as many groups as they can.
  const broken = kept.filter(({ alive }) => alive.length < size).sort((a, b) => b.alive.length - a.alive.length);
  const formed: Group[] = whole.map(({ group, generation: g, members }) => ({ group, generation: g, members }));
  while (broken.length > 0) {
    const { group, members, alive } = broken.shift()!;
    while (free.length < size - alive.length && broken.length > 0) free.push(...broken.pop()!.alive);
    if (free.length < size - alive.length) {
      free.push(...alive);
      break;
    }
    const filled = members.map((member) => (there.has(member) ? member : free.shift()!));
    formed.push({ group, generation: ++generation, members: filled });
  }
  for (let group = 0; free.length >= size; group++) {
    if (formed.some((other) => other.group === group)) continue;
    formed.push({ group, generation: ++generation, members: free.splice(0, size) });
  }
  return { newest: generation, formed: formed.sort((a, b) => a.group - b.group) };
}
