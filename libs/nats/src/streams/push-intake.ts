import { controlSchema, pushSchema } from '@downpour/contracts';
import type { LoggedRecord } from '@downpour/parameters';
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
  onRecord: (record: LoggedRecord) => void | Promise<void>;
  onBad: (reason: string, sequence: number) => void;
  refusals: Refusals;
}

/** Makes records of the messages of a log: put together, decoded, checked, handed over one at a time. What is none is counted and skipped. */
export class PushIntake {
  readonly #options: PushIntakeOptions;
  readonly #assembler: PushAssembler;

  constructor(options: PushIntakeOptions) {
    this.#options = options;
    this.#assembler = new PushAssembler(options.after, (error, sequence) => this.#refuse(error, sequence));
  }

  /** As PushAssembler's. */
  safePosition(held?: number): number {
    return this.#assembler.safePosition(held);
  }

  take(message: StreamMessage): void | Promise<void> {
    const whole = this.#assembler.add(message);
    if (whole === null) return;
    let record: LoggedRecord;
    try {
      const { header, tensors } = decodeFrame(whole.bytes);
      const { sequence, firstSequence } = whole;
      record = isControl(header)
        ? { header: controlSchema.parse(header), sequence, firstSequence }
        : {
            header: pushSchema.parse(header),
            gradient: requireTensor(tensors, 'gradient'),
            ...(tensors['scales'] && { scales: tensors['scales'] }),
            sequence,
            firstSequence,
          };
    } catch (error) {
      this.#assembler.done();
      this.#refuse(error, message.sequence);
      return;
    }
    const working = this.#options.onRecord(record);
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

const isControl = (header: unknown): boolean =>
  typeof header === 'object' && header !== null && 'type' in header && header.type === 'control';
