import type { CheckpointLedger } from '@downpour/contracts';
import type { LedgerState } from '../ledger.ts';

/** A ledger as a manifest has it. */
export const ledgerToJson = ({ open, ...rest }: LedgerState): CheckpointLedger => ({
  ...rest,
  open: open.map(({ epoch, full, open: pages }) => ({
    epoch,
    full,
    open: pages.map(({ page, bits }) => ({ page, bits: Buffer.from(bits).toString('base64') })),
  })),
});

export const ledgerFromJson = ({ open, ...rest }: CheckpointLedger): LedgerState => ({
  ...rest,
  open: open.map(({ epoch, full, open: pages }) => ({
    epoch,
    full,
    open: pages.map(({ page, bits }) => ({ page, bits: new Uint8Array(Buffer.from(bits, 'base64')) })),
  })),
});

/** Whether two ledgers name the same pushes. What was dropped on the way does not matter. */
export const samePushes = (a: LedgerState, b: LedgerState): boolean => {
  const text = (state: LedgerState): string => {
    const { closed, open } = ledgerToJson(state);
    return JSON.stringify([closed, open.sort((x, y) => x.epoch - y.epoch)]);
  };
  return text(a) === text(b);
};
