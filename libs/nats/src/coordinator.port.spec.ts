import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { streams } from '@downpour/contracts';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsFixture } from './fixture/nats-fixture.ts';
import { coordinatorPort, startNatsFixture } from './fixture/nats-fixture.ts';
import type { NatsLink } from './link/nats-link.ts';

const MIB = 2 ** 20;
const file = { storage: 'file', replicas: 1 } as const;

describe("a job's log in NATS", () => {
  let fixture: NatsFixture;
  let link: NatsLink;
  const config = async (jobId: string) =>
    (await (await jetstreamManager(link.nc)).streams.info(streams.pushLog(jobId))).config;

  beforeAll(async () => {
    // The events take 256 MiB of it.
    fixture = await startNatsFixture({ fileStoreLimit: '1GB' });
    link = await fixture.link();
  });
  afterAll(() => fixture.stop());

  it('has the bytes, the storage and the limits that the job asks for', async () => {
    const port = coordinatorPort(link);
    expect(await port.createStreams('asked', { ...file, maxBytes: 5 * MIB })).toEqual({ logBytes: 5 * MIB });
    expect(await config('asked')).toMatchObject({
      max_bytes: 5 * MIB,
      storage: 'file',
      discard: 'new',
      num_replicas: 1,
    });
    await port.createStreams('memory', { storage: 'memory', replicas: 1, maxBytes: 2 * MIB });
    expect(await config('memory')).toMatchObject({ max_bytes: 2 * MIB, storage: 'memory' });
  });

  it('keeps what it has when it is made again', async () => {
    expect(await coordinatorPort(link).createStreams('asked', { ...file, maxBytes: 9 * MIB })).toEqual({
      logBytes: 5 * MIB,
    });
  });

  it('has as much as NATS has room for when the job does not say', async () => {
    const { logBytes } = await coordinatorPort(link).createStreams('any', file);
    expect(logBytes).toBe(512 * MIB);
  });

  it('waits, and says for what, when NATS has not the room that is asked for', async () => {
    await expect(coordinatorPort(link).createStreams('large', { ...file, maxBytes: 900 * MIB })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/no room for a push log of log\.maxBytes 943718400.*max_file_store/),
    });
  });

  it('refuses copies on a lone server', async () => {
    await expect(coordinatorPort(link).createStreams('copies', { ...file, replicas: 3 })).rejects.toMatchObject({
      code: 'invalid-request',
      field: 'log.replicas',
      message: expect.stringContaining('there is one'),
    });
  });

  it('has none where the job wants none', async () => {
    expect(await coordinatorPort(link).createStreams('none', { storage: 'none', replicas: 1 })).toEqual({
      logBytes: null,
    });
    await expect(config('none')).rejects.toThrow('stream not found');
  });
});
