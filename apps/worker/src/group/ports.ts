import type { CrossingRequest, GroupWorkReply, GroupWorkRequest, JobPlan } from '@downpour/contracts';
import type { PartitionCompute, ReplicaOptions, SegmentTime } from '@downpour/training';

/** Where this worker sits in the groups of a job: a change of generation is another place. */
export interface SeatPlace {
  generation: number;
  partition: number;
  /** By partition; the first leads. */
  members: readonly string[];
}

/** A forward or backward of a job's partition. */
export interface PartitionTime extends SegmentTime {
  jobId: string;
  partition: number;
}

/** Of a worker's replica, be it a part of one. */
export interface MemberOptions extends ReplicaOptions {
  observeSegment?: (time: PartitionTime) => void;
}

/** What a member of a group asks of NATS and TensorFlow. All wait and try again while the other side is away, until the signal is aborted. */
export interface GroupLinks {
  openPartition(plan: JobPlan, partition: number): Promise<PartitionCompute>;
  /** @throws DownpourError when the member says no for good */
  askMember(instance: string, request: GroupWorkRequest, signal: AbortSignal): Promise<GroupWorkReply>;
  /** Resolves once the peer has it; `values` is read until then. */
  sendCrossing(instance: string, header: CrossingRequest, values: Float32Array, signal: AbortSignal): Promise<void>;
}

export function seatIn({ groups }: Pick<JobPlan, 'groups'>, instance: string): SeatPlace | null {
  for (const { generation, members } of groups?.formed ?? []) {
    const partition = members.indexOf(instance);
    if (partition >= 0) return { generation, partition, members };
  }
  return null;
}
