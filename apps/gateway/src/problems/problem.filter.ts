import { DownpourError } from '@downpour/contracts';
import type { Logger } from '@downpour/platform';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import { Catch, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from './problem-error.ts';

/** What Fastify and its plugins throw; Nest makes HttpExceptions of it, without the code. */
interface FrameworkError {
  statusCode: number;
  code?: string;
  message: string;
}

/** Every error becomes a problem document; nothing of the inside gets out. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log: Logger;
  readonly #maxSpecBytes: number;
  readonly #allowed: (path: string) => string[];

  /** `allowed`: methods that a path has. */
  constructor(log: Logger, maxSpecBytes: number, allowed: (path: string) => string[]) {
    this.#log = log;
    this.#maxSpecBytes = maxSpecBytes;
    this.#allowed = allowed;
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const request = http.getRequest<FastifyRequest>();
    const problem = this.#problemOf(error, request);
    if (problem.status === 500) this.#log.error({ err: problem.cause ?? error, url: request.url }, problem.message);
    else if (problem.status > 500) this.#log.warn({ url: request.url }, problem.message);
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    const path = request.url.split('?', 1)[0] ?? '/';
    if (problem.status === 413) discardRest(request);
    void reply
      .code(problem.status)
      .headers(problem.headers)
      .header('content-type', 'application/problem+json')
      .header('cache-control', 'no-store')
      .send(JSON.stringify(problem.document(path)));
  }

  #problemOf(error: unknown, request: FastifyRequest): ProblemError {
    if (error instanceof ProblemError) return error;
    if (error instanceof DownpourError) return ProblemError.from(error);
    if (error instanceof HttpException && error.getStatus() === 404) return this.#noRoute(request);
    if (error instanceof HttpException)
      return this.#framework({ statusCode: error.getStatus(), message: error.message });
    if (isFrameworkError(error)) return this.#framework(error);
    return ProblemError.from(new DownpourError('internal', 'Unexpected error', { cause: error }));
  }

  #noRoute({ method, url }: FastifyRequest): ProblemError {
    const path = url.split('?', 1)[0] ?? '/';
    const allow = this.#allowed(path);
    if (allow.length === 0) {
      return new ProblemError(404, `There is nothing at ${path}; /docs lists what there is`, { code: 'not-found' });
    }
    return new ProblemError(405, `${path} does not take ${method}: use ${allow.join(' or ')}`, {
      code: 'invalid-request',
      headers: { allow: allow.join(', ') },
    });
  }

  #framework({ statusCode, code = '', message }: FrameworkError): ProblemError {
    if (statusCode >= 500) return ProblemError.from(new DownpourError('internal', message));
    // Of a form: too many files or fields. The size of an upload is counted where it is read.
    if (/LIMIT/.test(code) || /^reach \w+ limit/.test(message)) {
      return new ProblemError(400, `The form has too many parts: ${message}`, { code: 'invalid-request' });
    }
    if (statusCode === 413) {
      return new ProblemError(413, `The body is larger than ${this.#maxSpecBytes} bytes, the most that is taken here`, {
        code: 'too-large',
      });
    }
    if (statusCode === 415) return unsupportedMediaType('application/json');
    return new ProblemError(statusCode, message, { code: 'invalid-request' });
  }
}

export function unsupportedMediaType(wanted: string): ProblemError {
  return new ProblemError(415, `Send the body as ${wanted}, and say so in the header Content-Type`, {
    code: 'invalid-request',
    headers: { accept: wanted },
  });
}

function isFrameworkError(error: unknown): error is FrameworkError {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  return error instanceof Error && typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500;
}

/** How long what is still sent of a refused body is thrown away. */
const LINGER_MS = 2_000;

/** A sender that is cut off while it sends may never read why. So the rest is taken and dropped for a while; then the connection ends. */
function discardRest({ raw }: FastifyRequest): void {
  if (raw.readableEnded || raw.destroyed) return;
  raw.unpipe();
  raw.resume();
  const timer = setTimeout(() => raw.socket.destroy(), LINGER_MS);
  raw.once('close', () => clearTimeout(timer));
}
