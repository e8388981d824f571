import { subjects } from '@downpour/contracts';
import type { Member } from '@downpour/contracts';
import {
  connectService,
  KvPlanRepository,
  Membership,
  NatsStrategy,
  ObjectStore,
  PlanWatcher,
  RequestClient,
} from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import { memberOf } from '@downpour/platform';
import type { ServiceDefinition } from '@downpour/platform';
import { CheckpointComposer } from './checkpoint/composer.ts';
import { natsPorts } from './nats-ports.ts';
import { ShardHost } from './shard-host.ts';
import { ShardReporter } from './shard-reporter.ts';
import { shardConfigSchema } from './shard.config.ts';
import { ShardMetrics } from './shard.metrics.ts';
import { ShardModule } from './shard.module.ts';

const PULLS: ReadonlySet<string> = new Set([subjects.pull('{instance}'), subjects.pushPull('{instance}')]);

/** Somebody moves shards, and there is somebody to move them to. */
const canTakeOver = (members: readonly Member[]): boolean =>
  (['gateway', 'parameter-shard'] as const).every((role) =>
    members.some((member) => member.role === role && !member.draining),
  );

/** Everything that makes the process a parameter-shard: main.ts runs it, tests start it in their own process. */
export const shardService = (): ServiceDefinition<typeof shardConfigSchema> => {
  let link: NatsLink;
  let host: ShardHost;
  let metrics: ShardMetrics;
  let membership: Membership;
  return {
    role: 'parameter-shard',
    config: shardConfigSchema,
    module: async (context) => {
      const { instance, log, config } = context;
      link = await connectService(context);
      metrics = new ShardMetrics(context.metrics);
      const snapshotPolicy = { logBytes: config.SNAPSHOT_LOG_BYTES, intervalMs: config.SNAPSHOT_INTERVAL_MS };
      membership = await Membership.start(link);
      host = new ShardHost({
        instance,
        ports: natsPorts(link),
        snapshotPolicy,
        metrics,
        log,
        standing: () => membership.standing,
      });
      const plans = new KvPlanRepository(link);
      const composer = new CheckpointComposer({
        requests: new RequestClient(link),
        store: new ObjectStore(link),
        plan: async (jobId) => (await plans.get(jobId))?.value ?? null,
        log,
      });
      return ShardModule.forRoot(host, composer);
    },
    strategy: (_app, { instance }) =>
      new NatsStrategy(link, {
        instance,
        onRequest: (pattern, outcome, ms) => {
          if (PULLS.has(pattern)) metrics.pull(outcome, ms);
        },
      }),
    ready: async (context) => {
      const { log, shutdown, config } = context;
      const plans = await PlanWatcher.start(link, log);
      const reporter = new ShardReporter({
        host,
        ports: natsPorts(link),
        metrics,
        log,
        intervalMs: config.SHARD_EVENT_INTERVAL_MS,
        onLoad: (details) => membership.update({ details }),
      });
      shutdown.register('stopIntake', 'shards', async () => {
        await host.prepareToLeave();
        membership.update({ draining: true });
        await host.handOver(() => canTakeOver(membership.members()));
        await plans.stop();
        await host.stopIntake();
      });
      shutdown.register('finish', 'snapshots', () => host.finish());
      shutdown.register('leave', 'membership', async () => {
        reporter.stop();
        await membership.stop();
      });
      // First what serves, then who is there: whoever sees the member may name it as an owner.
      plans.watch({ onPlan: (plan) => host.onPlan(plan), onRemoved: (jobId) => host.onRemoved(jobId) });
      reporter.start();
      await membership.join(memberOf(context, { shards: 0, bytes: 0 }));
    },
  };
};
