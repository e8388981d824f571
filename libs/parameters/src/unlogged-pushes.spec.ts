import { expect, it } from 'vitest';
import { UnloggedPushes } from './unlogged-pushes.ts';

it('positions without a log go on from a snapshot, and are beyond all of an owner before, whose last snapshot may come late', async () => {
  const first = new UnloggedPushes(1);
  await first.follow(0);
  for (let push = 0; push < 1000; push++) first.next();
  const stored = first.safePosition();
  const late = first.next();
  const second = new UnloggedPushes(3);
  await second.follow(stored);
  expect(second.next()).toBeGreaterThan(late);
  const third = new UnloggedPushes(3);
  await third.follow(second.safePosition());
  expect(third.next()).toBe(second.safePosition() + 1);
  expect(Number.isSafeInteger(new UnloggedPushes(1e6).safePosition())).toBe(true);
});
