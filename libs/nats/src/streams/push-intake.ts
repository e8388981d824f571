import { pushSchema } from '@downpour/contracts';
import type { LoggedPush } from '@downpour/parameters';
import { decodeFrame, requireTensor } from '@downpour/tensor';
import { releaseReceived } from '../link/receive-slabs.ts';
import { refusalReason } from '../refusals/refusals.ts';
import type { Refusals } from '../refusals/refusals.ts';
import { messageOf } from './jetstream-errors.ts';
import { PushAssembler } from './push-assembler.ts';
import type { StreamMessage } from './stream-reader.ts';

export interface PushIntakeOptions {
  /** Log position after which messages come. */
  after: number;
  onPush: (push: LoggedPush) => void | Promise<void>;
  onBad: (reason: string, sequence: number) => void;
  refusals: Refusals;
}

/** Makes pushes of the messages of a log: put together, decoded, checked, handed over one at a time. What is no push is counted and skipped. */
export class PushIntake {
  readonly #options: PushIntakeOptions;
  readonly #assembler: PushAssembler;

  constructor(options: PushIntakeOptions) {
    this.#options = options;
    this.#assembler = new PushAssembler(options.after, (error, sequence) => this.#refuse(error, sequence));
  }

  /** As PushAssembler's. */
  safePosition(): number {
    return this.#assembler.safePosition();
  }

  take(message: StreamMessage): void | Promise<void> {
    const whole = this.#assembler.add(message);
    if (whole === null) return;
    let push: LoggedPush;
    try {
      const { header, tensors } = decodeFrame(whole.bytes);
      push = {
        header: pushSchema.parse(header),
        gradient: requireTensor(tensors, 'gradient'),
        ...(tensors['scales'] && { scales: tensors['scales'] }),
        sequence: whole.sequence,
        firstSequence: whole.firstSequence,
      };
    } catch (error) {
      this.#assembler.done();
      this.#refuse(error, message.sequence);
      return;
    }
    const working = this.#options.onPush(push);
    // Applied, or dropped: whoever keeps any of it has copied it.
    const applied = (): void => {
      this.#assembler.done();
      releaseReceived(whole.bytes);
    };
    if (working === undefined) applied();
    else return working.then(applied);
  }

  #refuse(error: unknown, sequence: number): void {
    this.#options.refusals.count('push-log', refusalReason(error));
    this.#options.onBad(messageOf(error), sequence);
  }
}
