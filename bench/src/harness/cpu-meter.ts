import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** One process of a measured system. */
export interface MeteredProcess {
  pid: number;
  /** What it is: worker, nats-server ... Several may share one. */
  role: string;
}

/** CPU seconds since its start, user and system, of each role; all threads, also those that have ended. */
export type CpuReading = Map<string, number>;

/**
 * CPU time of all processes of a system. On shared cores it is the honest figure: wall time depends on who else computes.
 * Linux: /proc/<pid>/stat, to 10 ms. macOS: ps, to 10 ms.
 */
export class CpuMeter {
  readonly processes: readonly MeteredProcess[];

  constructor(processes: readonly MeteredProcess[]) {
    if (processes.length === 0) throw new Error('There is no process to measure');
    this.processes = processes;
  }

  /** @throws Error when one has ended: the system is no longer the one that was to be measured */
  read(): CpuReading {
    const reading: CpuReading = new Map();
    const seconds = cpuSecondsOf(this.processes.map(({ pid }) => pid));
    this.processes.forEach(({ pid, role }, i) => {
      const value = seconds[i];
      if (value === undefined || Number.isNaN(value))
        throw new Error(`${role} (process ${pid}) has ended while it was measured`);
      reading.set(role, (reading.get(role) ?? 0) + value);
    });
    return reading;
  }
}

export function difference(later: CpuReading, earlier: CpuReading): CpuReading {
  return new Map([...later].map(([role, seconds]) => [role, seconds - (earlier.get(role) ?? 0)]));
}

export function total(reading: CpuReading): number {
  return [...reading.values()].reduce((sum, seconds) => sum + seconds, 0);
}

/** All processes below one, itself included. */
export function processTree(root: number): { pid: number; command: string }[] {
  const all = allProcesses();
  const tree: { pid: number; command: string }[] = [];
  const visit = (pid: number) => {
    const own = all.find((process) => process.pid === pid);
    if (own) tree.push({ pid, command: own.command });
    for (const child of all) if (child.parent === pid) visit(child.pid);
  };
  visit(root);
  return tree;
}

const isLinux = process.platform === 'linux';

function allProcesses(): { pid: number; parent: number; command: string }[] {
  if (!isLinux) {
    return ps(['-axo', 'pid=,ppid=,command=']).map((line) => {
      const [, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      return { pid: Number(pid), parent: Number(parent), command: command ?? '' };
    });
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return [{ pid: Number(name), parent: Number(statFields(Number(name))[1]), command }];
      } catch {
        return []; // It has ended since the folder was read.
      }
    });
}

/** NaN for one that is not there. */
function cpuSecondsOf(pids: readonly number[]): number[] {
  if (isLinux) {
    return pids.map((pid) => {
      try {
        const fields = statFields(pid);
        return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
      } catch {
        return Number.NaN;
      }
    });
  }
  const times = new Map(
    ps(['-o', 'pid=,time=', '-p', pids.join(',')]).map((line) => {
      const [pid = '', time = ''] = line.trim().split(/\s+/);
      return [Number(pid), secondsOf(time)];
    }),
  );
  return pids.map((pid) => times.get(pid) ?? Number.NaN);
}

/** Fields of /proc/<pid>/stat from the third, the state, on: the second is a name that may hold spaces. */
function statFields(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function ps(args: string[]): string[] {
  return execFileSync('ps', args, { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.trim() !== '');
}

/** `[[DD-]HH:]MM:SS.ss` */
function secondsOf(time: string): number {
  return time
    .replace('-', ':')
    .split(':')
    .map(Number)
    .reverse()
    .reduce((sum, value, i) => sum + value * [1, 60, 3600, 86_400][i]!, 0);
}

const TICKS_PER_SECOND = isLinux ? Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) : 100;
