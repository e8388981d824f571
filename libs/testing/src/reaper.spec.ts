import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { until } from './until.ts';

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('endWithMe', () => {
  it('ends a child, even a frozen one, when its parent is killed', async () => {
    const code = `
      import { spawn } from 'node:child_process';
      import { endWithMe } from ${JSON.stringify(new URL('./reaper.ts', import.meta.url).href)};
      const child = spawn('sleep', ['600'], { stdio: 'ignore' });
      endWithMe(child);
      process.kill(child.pid, 'SIGSTOP');
      console.log(child.pid);
      setInterval(() => {}, 1000);
    `;
    const parent = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
    const pid = Number(line);
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until('the child to be gone', () => !isAlive(pid));
  });
});
