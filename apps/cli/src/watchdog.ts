/**
 * Ends the cluster's processes when the launcher dies without a word (kill -9, a closed terminal). It reads process ids from its standard
 * input, one a line (`-PID` takes one back); the input ends when the launcher does.
 */
import { createInterface } from 'node:readline';

const GRACE_MS = 11_000; // a service leaves within 10 s of SIGTERM
const pids = new Set<number>();

const signalAll = (signal: NodeJS.Signals | 0) => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      pids.delete(pid);
    }
  }
};

// A Ctrl-C reaches the whole process group; only the end of the input counts.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('SIGHUP', () => {});

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const pid = Number(line);
    if (pid < 0) pids.delete(-pid);
    else if (pid > 0) pids.add(pid);
  })
  .on('close', () => {
    signalAll('SIGTERM');
    const deadline = Date.now() + GRACE_MS;
    const timer = setInterval(() => {
      signalAll(Date.now() < deadline ? 0 : 'SIGKILL');
      if (pids.size === 0 || Date.now() > deadline + 1000) clearInterval(timer);
    }, 100);
  });
