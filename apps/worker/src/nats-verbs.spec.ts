import type { JobPlan } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { expect, it } from 'vitest';
import { NatsVerbs, type NatsVerbsParts } from './nats-verbs.ts';
import { isDeterministic } from './problems.ts';

const PLAN = { jobId: 'j', dataset: { id: 'fashion-mnist' } } as JobPlan;
const REQUEST = { split: 'train', order: null, begin: 0, end: 1 } as const;

it('ends the job with the words of a data sharder that does not have the data set', async () => {
  const missing = new DownpourError('not-found', 'The files of fashion-mnist are nowhere: run this');
  const requests = { request: () => Promise.reject(missing) };
  const verbs = new NatsVerbs({ requests, publisher: { onWaiting: () => undefined } } as unknown as NatsVerbsParts);
  const error: unknown = await verbs
    .fetchExamples(PLAN, REQUEST, new AbortController().signal)
    .catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'invalid-dataset', message: missing.message });
  expect(isDeterministic(error)).toBe(true);
});
