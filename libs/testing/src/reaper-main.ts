/**
 * Ends processes when whoever started this one has gone (reaper.ts). It reads process ids from its standard input, one a line; `-PID` takes
 * one back; the input ends when its starter does.
 */
import { createInterface } from 'node:readline';

const pids = new Set<number>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const pid = Number(line);
    if (pid < 0) pids.delete(-pid);
    else if (pid > 0) pids.add(pid);
  })
  .on('close', () => {
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    process.exit(0);
  });
