import type { ErrorCode, Problem } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';

/** Seconds after which asking again makes sense. */
const RETRY_AFTER_S = 2;

const TITLES: Record<number, string> = {
  400: 'Bad request',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  409: 'Conflict',
  411: 'Length required',
  413: 'Content too large',
  414: 'URI too long',
  415: 'Unsupported media type',
  422: 'Unprocessable content',
  431: 'Request header fields too large',
  500: 'Internal error',
  503: 'Service unavailable',
  504: 'Gateway timeout',
};

const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  'invalid-request': 422,
  'invalid-model': 422,
  'invalid-dataset': 422,
  'not-found': 404,
  conflict: 409,
  'too-large': 413,
  unavailable: 503,
  loading: 503,
  'not-owner': 503,
  timeout: 504,
};

/** An answer that says no: an RFC 9457 problem document and the headers that go with it. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #code: ErrorCode | undefined;
  readonly #errors: Problem['errors'];

  constructor(
    status: number,
    detail: string,
    options: {
      code?: ErrorCode;
      errors?: Problem['errors'];
      headers?: Record<string, string>;
      cause?: unknown;
    } = {},
  ) {
    super(detail, { cause: options.cause });
    this.status = status;
    this.#code = options.code;
    this.#errors = options.errors;
    this.headers = {
      ...(status === 503 || status === 504 ? { 'retry-after': String(RETRY_AFTER_S) } : {}),
      ...options.headers,
    };
  }

  static from(error: DownpourError): ProblemError {
    const { code, field, message } = error;
    const status = STATUS_OF[code] ?? 500;
    // What went wrong inside is for the log, not for whoever asked.
    const detail = status === 500 ? 'Something went wrong inside; the log of the gateway says more' : message;
    const errors = field === undefined ? undefined : [{ field, message }];
    return new ProblemError(status, detail, { code, cause: error, ...(errors === undefined ? {} : { errors }) });
  }

  /** `instance`: path of the request. */
  document(instance: string): Problem {
    return {
      type: 'about:blank',
      title: TITLES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
      instance,
      ...(this.#code === undefined ? {} : { code: this.#code }),
      ...(this.#errors === undefined ? {} : { errors: this.#errors }),
    };
  }
}

/** One field of a request is wrong. */
export function fieldProblem(status: 400 | 422, field: string, message: string): ProblemError {
  return new ProblemError(status, message, { code: 'invalid-request', errors: [{ field, message }] });
}
