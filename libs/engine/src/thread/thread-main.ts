import { parentPort, workerData } from 'node:worker_threads';
import { DownpourError } from '@downpour/contracts';
import { loadTensorFlow, type TensorFlowOptions } from '../tensorflow/load.ts';
import type { CallMessage, ReplyMessage, ThreadError } from './messages.ts';
import { ThreadService } from './thread-service.ts';

/** Entry of the thread that runs TensorFlow. One question at a time, in order: TensorFlow's own threads are the parallelism. */
const port = parentPort;
if (!port) throw new Error('thread-main.ts is the entry of a worker thread');
const options = workerData as TensorFlowOptions;
const service = loadTensorFlow(options).then((tensorflow) => new ThreadService(tensorflow));
let turn: Promise<void> = Promise.resolve();

port.on('message', (message: CallMessage) => {
  turn = turn.then(async () => {
    let reply: ReplyMessage;
    const transfer: ArrayBuffer[] = [];
    try {
      reply = { id: message.id, answer: await (await service).answer(message, transfer) };
    } catch (error) {
      reply = { id: message.id, error: threadError(error, message.name) };
    }
    port.postMessage(reply, transfer);
  });
});

function threadError(error: unknown, name: string): ThreadError {
  if (error instanceof DownpourError) return { code: error.code, message: error.message, field: error.field };
  const text = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message: `TensorFlow failed in ${name}: ${text}`, field: undefined };
}
