import type { DatasetRecord, DatasetSpec, JobEvent, JobSpecInput } from '@downpour/contracts';
import { fit } from './fit.ts';
import type { FitOptions } from './fit.ts';
import { GatewayClient } from './gateway-client.ts';
import { GatewayError } from './gateway-error.ts';
import { Job } from './job.ts';
import type { ModelFiles } from './model-files.ts';
import { refusal } from './refusal.ts';
import type { LayersModelLike, TensorFlow } from './tensorflow.ts';
import type { Examples } from './training-data.ts';
import type { WatchOptions } from './watch-events.ts';

export interface ConnectOptions {
  /** Your own TensorFlow, `import * as tf from '@tensorflow/tfjs'` (or tfjs-node): `fit` makes models with it. */
  tf?: TensorFlow;
}

/** A cluster, by its gateway. */
export class Downpour {
  /** The HTTP API, route by route. */
  readonly gateway: GatewayClient;
  readonly #tf: TensorFlow | undefined;

  constructor(gateway: GatewayClient, tf?: TensorFlow) {
    this.gateway = gateway;
    this.#tf = tf;
  }

  /** @throws GatewayError naming each field that is wrong */
  async submit(spec: JobSpecInput): Promise<Job> {
    const { id } = await this.gateway.submit(spec);
    return this.job(id);
  }

  /** A job by its id; whether there is one is seen when it is asked. */
  job(id: string): Job {
    return new Job(id, this.gateway);
  }

  /** A job's events from the first to its end, over gateways that are replaced. */
  watch(id: string, options: WatchOptions = {}): AsyncGenerator<JobEvent> {
    return this.job(id).events(options);
  }

  /** The trained model of a job that has succeeded. */
  model(id: string): Promise<ModelFiles> {
    return this.job(id).model();
  }

  /** As POST /v1/datasets: `files` by form field. The same upload again is the same data set. */
  upload(spec: DatasetSpec, files: Record<string, Blob>): Promise<DatasetRecord> {
    return this.gateway.upload(spec, files);
  }

  /**
   * Trains a `tf.LayersModel` on the cluster, from the weights that it has, and answers a copy with those that it was trained to; the model itself stays as it is. Its
   * `compile()` counts: optimizer, loss and metrics, where the cluster has them.
   * @param dataset examples, or the name of a data set that the cluster has
   * @throws DownpourError invalid-request what cannot be trained; GatewayError what the gateway refuses; JobError when the job fails; the signal's reason
   */
  fit<Model extends LayersModelLike>(
    model: Model,
    dataset: Examples | string,
    options: FitOptions = {},
  ): Promise<Model> {
    if (this.#tf === undefined)
      return Promise.reject(
        refusal(
          'tf',
          "fit needs your TensorFlow to make the trained model: connect(url, { tf }) with `import * as tf from '@tensorflow/tfjs'`",
        ),
      );
    return fit(this.gateway, this.#tf, model, dataset, options);
  }
}

/** @throws Error when no gateway answers at that address */
export async function connect(url: string, { tf }: ConnectOptions = {}): Promise<Downpour> {
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw refusal('url', `"${url}" is no address of a gateway: it should be like http://127.0.0.1:8080`);
  const gateway = new GatewayClient(url.replace(/\/+$/, ''));
  await gateway.members().catch((error: unknown) => {
    if (error instanceof GatewayError && error.status >= 500) return;
    throw new Error(
      `There is no Downpour gateway at ${url}: \`npm start -- --serve-only\` starts a cluster on this machine`,
      { cause: error },
    );
  });
  return new Downpour(gateway, tf);
}
