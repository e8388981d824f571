import { json } from 'node:stream/consumers';
import type { JobRecord, ModelGraph } from '@downpour/contracts';
import { DownpourError, graphOf, modelCutSchema, objects } from '@downpour/contracts';
import { isTerminal } from '@downpour/jobs';
import type { BlobStore } from '../ports.ts';

/**
 * How a job's model is cut: nodes, crossing edges, what each partition costs.
 * @throws DownpourError conflict where it is not cut (yet)
 */
export async function modelGraph(job: JobRecord, blobs: BlobStore): Promise<ModelGraph> {
  const name = objects.modelCut(job.id);
  if (!job.spec.partitions)
    throw new DownpourError('conflict', `The model of job ${job.id} is not cut: its spec has no partitions`);
  if (!(await blobs.exists(name))) {
    const hope = isTerminal(job.state) ? 'it ended before its model was cut' : 'it is cut when the job is prepared';
    throw new DownpourError('conflict', `Job ${job.id} is ${job.state}: ${hope}`);
  }
  const { stream } = await blobs.getStream(name);
  return graphOf(modelCutSchema.parse(await json(stream)));
}
