import type { Cluster, DatasetSummary, JobSpec } from '@downpour/contracts';
import { fitIssues, modelTopology, partitionedTopology, type SpecIssue } from '@downpour/models/topology';
import { ProblemError } from '../problems/problem-error.ts';

/**
 * Does the job fit its data set? Everything that can be said without building the model; the worker that prepares the job checks the rest.
 * @throws ProblemError 422 naming every field; DownpourError invalid-model
 */
export function checkJob(spec: JobSpec, dataset: DatasetSummary, nats: Cluster['nats']): void {
  const errors = [
    ...batchIssues(spec, dataset),
    ...lossIssues(spec, dataset),
    ...fitIssues(spec, dataset),
    ...logIssues(spec, nats),
  ];
  if (errors.length > 0) {
    const detail = errors.map(({ message }) => message).join('; ');
    throw new ProblemError(422, detail, { code: 'invalid-request', errors });
  }
  partitionedTopology(modelTopology(spec.model, dataset), spec.partitions);
}

function batchIssues({ batchSize, chunkSize }: JobSpec, { trainExamples }: DatasetSummary): SpecIssue[] {
  const issues: SpecIssue[] = [];
  if (batchSize > trainExamples) {
    const message = `A batch of ${batchSize} is larger than the data set: it has ${trainExamples} training examples, so at most that`;
    issues.push({ field: 'batchSize', message });
  }
  if (chunkSize !== undefined && chunkSize < Math.min(batchSize, trainExamples)) {
    const message = `A chunk of ${chunkSize} examples does not hold a batch of ${batchSize}: at least that, better ten times as many`;
    issues.push({ field: 'chunkSize', message });
  }
  return issues;
}

function lossIssues({ loss }: JobSpec, { labelKind }: DatasetSummary): SpecIssue[] {
  if (loss !== 'softmaxCrossEntropy' || labelKind === 'class') return [];
  const message = 'softmaxCrossEntropy needs classes, and the labels of the data set are numbers: use meanSquaredError';
  return [{ field: 'loss', message }];
}

function logIssues({ log }: JobSpec, { clustered }: Cluster['nats']): SpecIssue[] {
  const issues: SpecIssue[] = [];
  if (log.replicas > 1 && !clustered) {
    const message = `${log.replicas} copies need as many NATS servers, and there is one: take 1, or run a NATS cluster`;
    issues.push({ field: 'log.replicas', message });
  }
  if (log.storage === 'none' && log.maxBytes !== undefined) {
    const message = 'A job without a push log (log.storage "none") has no use for it: leave it out';
    issues.push({ field: 'log.maxBytes', message });
  }
  return issues;
}
