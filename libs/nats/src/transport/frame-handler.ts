import type { OutgoingFrame, TensorFrame } from '@downpour/tensor';
import { applyDecorators, Catch, UseFilters } from '@nestjs/common';
import type { RpcExceptionFilter } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { throwError } from 'rxjs';
import type { Observable } from 'rxjs';

export interface FrameHandlerOptions {
  /** Queue group: one of its members gets each request. Without: every subscriber does. */
  queue?: string;
  /** Requests handled at once; others wait their turn. @default 32 */
  concurrency?: number;
  /** Requests that may wait; beyond it the newest are refused with `unavailable`. @default 1024 */
  maxWaiting?: number;
}

/** What a handler takes and gives: `@Payload() frame: TensorFrame` in, `{ header, tensors }` out. */
export type FrameHandlerMethod = (frame: TensorFrame) => OutgoingFrame | Promise<OutgoingFrame>;

/** Nest would turn every error that it does not know into "Internal server error"; the strategy says more. */
@Catch()
class LetErrorsThrough implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/**
 * Marks a controller's method as the handler of a subject; `{instance}` in it is this process's instance. To refuse a request it
 * throws a DownpourError, or lets a zod error through; anything else reaches the caller as `internal` and the log in full.
 */
export const FrameHandler = (subject: string, options: FrameHandlerOptions = {}): MethodDecorator =>
  applyDecorators(MessagePattern(subject, undefined as never, { ...options }), UseFilters(new LetErrorsThrough()));
