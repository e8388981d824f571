import type { ClusterSpec, JobPlan, Member, Role } from '@downpour/contracts';
import { missingTasks } from '@downpour/contracts';

/** Without one of each no job can go on. */
export const REQUIRED_ROLES = ['worker', 'parameter-shard', 'data-sharder'] as const satisfies readonly Role[];
type RequiredRole = (typeof REQUIRED_ROLES)[number];

const NAMES: Record<RequiredRole, string> = {
  worker: 'worker',
  'parameter-shard': 'parameter shard',
  'data-sharder': 'data sharder',
};

/** Members of a role that may be given something new. */
export function available(members: readonly Member[], role: Role): Member[] {
  return members.filter((member) => member.role === role && !member.draining);
}

/** What exactly is missing and how to get it, or null when every role has somebody. */
export function waitingFor(members: readonly Member[], roles: readonly RequiredRole[] = REQUIRED_ROLES): string | null {
  const missing = roles.filter((role) => available(members, role).length === 0);
  if (missing.length === 0) return null;
  return `waiting for ${missing.map((role) => describeMissing(members, role)).join('; and for ')}`;
}

/** Entries of the job's cluster that nobody stands for; null when all are there. */
export function waitingForTasks(cluster: ClusterSpec | undefined, members: readonly Member[]): string | null {
  const missing = missingTasks(cluster, members);
  if (missing.length === 0) return null;
  return `waiting for ${missing.join(' and ')}: the job's cluster names ${missing.length === 1 ? 'it' : 'them'}, and no process of that name or host is there; start one with INSTANCE_NAME, or submit the job with another cluster`;
}

/** A model that is cut needs so many workers at once. */
export function waitingForGroup({ cut, groups }: JobPlan, members: readonly Member[]): string | null {
  if (!cut || (groups?.formed.length ?? 0) > 0) return null;
  const workers = available(members, 'worker').length;
  const wanted = cut.partitions;
  return `waiting for ${wanted} workers: the model is cut into ${wanted} partitions, a replica is a group of so many, and ${workers === 1 ? 'one is' : `${workers} are`} there; start more with \`docker compose up --scale worker=${wanted}\``;
}

function describeMissing(members: readonly Member[], role: RequiredRole): string {
  const leaving = members.some((member) => member.role === role);
  const state = leaving ? 'the only ones alive are leaving' : 'none is alive';
  return `a ${NAMES[role]}: ${state}; start one with \`node apps/${role}/dist/main.js\` or \`docker compose up --scale ${role}=1\``;
}
