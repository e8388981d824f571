import { describe, expect, it } from 'vitest';
import { clusterSpecSchema, isTask, missingTasks, servesJob } from './cluster-spec.ts';
import type { Member } from './member.ts';

const member = (role: Member['role'], instance: string, host = 'rack-1', draining = false): Member => ({
  role,
  instance,
  host,
  pid: 1,
  startedAt: '2026-11-25T00:00:00.000Z',
  version: '0.1.0',
  draining,
  details: {},
});

describe('a cluster spec', () => {
  it.each([
    ['worker-a-9x8y7z', true],
    ['worker-a', true],
    ['worker-*', true],
    ['rack-1.example.org', true],
    ['rack-*.org', true],
    ['worker', false],
    ['worker-b', false],
    ['rack-1xexample.org', false],
  ])('means by %s a process or not', (text, is) => {
    expect(isTask(text, { instance: 'worker-a-9x8y7z', host: 'rack-1.example.org' })).toBe(is);
  });

  it('says who serves a job: lists that are left out are everybody, and gateways and sharders always do', () => {
    const cluster = { ps: ['big-*'] };
    expect(servesJob(undefined, 'worker', { instance: 'worker-000000' })).toBe(true);
    expect(servesJob(cluster, 'worker', { instance: 'worker-000000' })).toBe(true);
    expect(servesJob(cluster, 'parameter-shard', { instance: 'big-1-000000' })).toBe(true);
    expect(servesJob(cluster, 'parameter-shard', { instance: 'small-000000' })).toBe(false);
    expect(servesJob(cluster, 'gateway', { instance: 'small-000000' })).toBe(true);
  });

  it('names the tasks that nobody stands for; one that is leaving is nobody', () => {
    const members = [member('worker', 'a-000000'), member('parameter-shard', 'b-000000', 'rack-1', true)];
    expect(missingTasks({ worker: ['a', 'b'], ps: ['b'] }, members)).toEqual(['worker "b"', 'ps "b"']);
    expect(missingTasks({ worker: ['rack-1'] }, members)).toEqual([]);
    expect(missingTasks(undefined, members)).toEqual([]);
  });

  it.each([
    [{ worker: [] }, 'nobody would serve the job'],
    [{ worker: ['127.0.0.1:2222'] }, 'no ports'],
    [{ ps: ['a b'] }, 'name of a process'],
    [{ master: ['a'] }, 'master'],
  ])('refuses %j', (spec, message) => {
    const { error } = clusterSpecSchema.safeParse(spec);
    expect(error?.message).toContain(message);
  });
});
