import type { Member } from '@downpour/contracts';
import type { JobRun } from '../job-run.ts';

/** Publishes who has joined and left while the job runs. Those who are there when this coordinator takes it up are no news. */
export async function tellChanges(run: JobRun): Promise<void> {
  const members = run.deps.cluster.members().filter(({ role }) => role !== 'gateway');
  const present = new Map(members.map((member) => [member.instance, member.role]));
  const known = (run.knownMembers ??= new Map(present));
  const tell = (instance: string, role: Member['role'], change: 'joined' | 'left') =>
    run.deps.cluster.publishEvent(run.id, { type: 'member', at: run.at, instance, role, change });
  for (const [instance, role] of present) {
    if (known.has(instance)) continue;
    await tell(instance, role, 'joined');
    known.set(instance, role);
  }
  for (const [instance, role] of [...known]) {
    if (present.has(instance)) continue;
    await tell(instance, role, 'left');
    known.delete(instance);
  }
}
