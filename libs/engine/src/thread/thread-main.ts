import { setImmediate } from 'node:timers/promises';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { DownpourError } from '@downpour/contracts';
import { loadTensorFlow } from '../tensorflow/load.ts';
import { Bell } from './bell.ts';
import type { CallMessage, ReplyMessage, ThreadData, ThreadError } from './messages.ts';
import { ThreadService } from './thread-service.ts';

/** Answers between two turns of this thread's event loop, in which the garbage collector has its tasks. */
const TURN_AFTER = 64;
/** Nothing to do for so long: turn the loop then, too. */
const IDLE_MS = 1_000;

/**
 * Entry of the thread that runs TensorFlow. One question at a time, in order: TensorFlow's own threads are the parallelism. It sleeps at the bell
 * instead of in its event loop: a question then costs half the CPU time of a message event, which counts beside a step of a millisecond.
 */
const port = parentPort;
if (!port) throw new Error('thread-main.ts is the entry of a worker thread');
const { bell, tensorflow } = workerData as ThreadData;
const service = loadTensorFlow(tensorflow).then((loaded) => new ThreadService(loaded));
// Nothing else keeps the thread alive while a question waits for an event.
setInterval(() => undefined, 2 ** 30);

const listener = new Bell(bell);
for (let answered = 0; ;) {
  const received = receiveMessageOnPort(port) as { message: CallMessage } | undefined;
  if (received) await answer(received.message);
  else if (!listener.waitFor(IDLE_MS)) await setImmediate();
  if (received && ++answered % TURN_AFTER === 0) await setImmediate();
}

async function answer(message: CallMessage): Promise<void> {
  let reply: ReplyMessage;
  const transfer: ArrayBuffer[] = [];
  try {
    reply = { id: message.id, answer: await (await service).answer(message, transfer) };
  } catch (error) {
    reply = { id: message.id, error: threadError(error, message.name) };
  }
  port!.postMessage(reply, transfer);
}

function threadError(error: unknown, name: string): ThreadError {
  if (error instanceof DownpourError) return { code: error.code, message: error.message, field: error.field };
  const text = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message: `TensorFlow failed in ${name}: ${text}`, field: undefined };
}
