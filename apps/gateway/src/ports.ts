import type {
  Cluster,
  DatasetFile,
  DatasetRecord,
  DatasetSpec,
  DatasetSummary,
  JobEvent,
  Member,
} from '@downpour/contracts';
import type { CoordinatorPort, EventSource, JobRepository, PlanRepository } from '@downpour/jobs';

/** The registry of uploaded data sets. */
export interface DatasetStore {
  get(id: string): Promise<DatasetRecord | null>;
  list(): Promise<DatasetRecord[]>;
  put(dataset: DatasetRecord): Promise<void>;
  remove(id: string): Promise<void>;
}

/** Named objects of any size. Nobody sees one half written. */
export interface BlobStore {
  /** Resolves with the size and the SHA-256 (base64url) of what was written. */
  putStream(name: string, source: AsyncIterable<Uint8Array>): Promise<{ bytes: number; digest: string }>;
  getStream(name: string): Promise<{ bytes: number; stream: AsyncIterable<Uint8Array> }>;
  exists(name: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
}

/** A data sharder reads an upload and says what is in it. @throws DownpourError invalid-dataset, unavailable, timeout */
export interface DatasetInspector {
  inspect(id: string, spec: DatasetSpec, files: DatasetFile[]): Promise<DatasetSummary>;
}

export interface ClusterView {
  members(): Member[];
  /** Calls back when somebody joins or leaves. Returns a function that ends it. */
  onChange(listener: () => void): () => void;
  nats(): Cluster['nats'];
}

/** Who of several gateways hosts the coordinator. */
export interface CoordinatorLease {
  readonly holder: string | null;
  /** Gives it back, so that another gateway gains it at once. */
  stop(): Promise<void>;
}

/** Everything the gateway is given of the cluster. */
export interface GatewayPorts {
  jobs: JobRepository;
  plans: PlanRepository;
  events: EventSource & { publish(jobId: string, event: JobEvent): Promise<void> };
  coordinator: CoordinatorPort;
  datasets: DatasetStore;
  blobs: BlobStore;
  inspector: DatasetInspector;
  cluster: ClusterView;
  /** Begins to strive for the lease. */
  lease(on: { gained(): void; lost(): void }): CoordinatorLease;
}

export const GATEWAY_PORTS = Symbol('GATEWAY_PORTS');
