import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { ReadinessRegistry } from './readiness.ts';

/**
 * The process's HTTP server. It answers /healthz, /readyz and /metrics itself, before Nest is up (a process that waits for
 * NATS is alive and says what it waits for) and while it leaves; everything else goes to the application once there is one.
 */
export class HealthHttpServer {
  readonly server: Server;
  readonly #readiness: ReadinessRegistry;
  readonly #metrics: Registry;
  #application: RequestListener | undefined;
  #leaving = false;

  constructor(readiness: ReadinessRegistry, metrics: Registry) {
    this.#readiness = readiness;
    this.#metrics = metrics;
    this.server = createServer((request, response) => this.#handle(request, response));
  }

  /** Resolves with the real port. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => {
        this.server.off('error', reject);
        resolve((this.server.address() as AddressInfo).port);
      });
    });
  }

  serve(application: RequestListener): void {
    this.#application = application;
  }

  /** From now on the application gets no new requests. */
  stopIntake(): void {
    this.#leaving = true;
  }

  /** Ends idle connections at once and the others after `graceMs`. */
  close(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.server.closeAllConnections(), graceMs);
      this.server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.server.closeIdleConnections();
    });
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path === '/healthz') return json(response, 200, { status: 'alive' });
    if (path === '/readyz') {
      const { ready, reasons } = this.#readiness.report();
      return json(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', reasons });
    }
    if (path === '/metrics') return void this.#serveMetrics(response);
    if (this.#application === undefined) return unavailable(response, 'The service is starting: see /readyz');
    if (this.#leaving) return unavailable(response, 'The service is stopping: ask another instance');
    this.#application(request, response);
  }

  async #serveMetrics(response: ServerResponse): Promise<void> {
    try {
      const text = await this.#metrics.metrics();
      response.writeHead(200, { 'content-type': this.#metrics.contentType }).end(text);
    } catch (error) {
      json(response, 500, { status: 'failed', reason: error instanceof Error ? error.message : String(error) });
    }
  }
}

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
};

const unavailable = (response: ServerResponse, detail: string): void => {
  response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '2', connection: 'close' });
  response.end(
    JSON.stringify({ type: 'about:blank', title: 'Service unavailable', status: 503, detail, code: 'unavailable' }),
  );
};
