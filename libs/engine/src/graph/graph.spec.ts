import type { Tensor, Tensor4D } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTensorFlow, type TensorFlow } from '../tensorflow/load.ts';
import { tidied } from '../tensorflow/tidied.ts';
import type { HostTensor } from '../step/step-inputs.ts';
import { CompiledGraph } from './compiled-graph.ts';
import { prune } from './prune.ts';
import { record } from './record.ts';
import { NotCompilable, type Recording } from './recording.ts';
import { rewrite } from './rewrites/rewrite.ts';
import { REWRITES } from './rewrites/rewrites.ts';
import { splitRecording } from './split-recording.ts';

let tensorflow: TensorFlow;
beforeAll(async () => {
  tensorflow = await loadTensorFlow();
});

const vector = (...values: number[]): HostTensor => ({
  shape: [values.length],
  dtype: tensorflow.backend.binding.TF_FLOAT,
  values: Float32Array.from(values),
});
const recorded = (inputs: Record<string, HostTensor>, body: (inputs: Record<string, Tensor>) => Tensor[]) =>
  tidied(tensorflow, () => record(tensorflow.backend, inputs, (tensors) => ({ outputs: body(tensors) })));
const names = ({ ops }: Recording) => ops.map(({ name }) => name);

describe('A recording', () => {
  it('holds inputs open and everything else as it was', () => {
    const { tf, backend } = tensorflow;
    const older = tf.tensor1d([10, 20, 30]);
    const recording = recorded({ x: vector(1, 2, 3) }, ({ x }) => [tf.add(tf.mul(x!, 2), older)]);
    older.dispose();
    const graph = new CompiledGraph(backend.binding, recording);
    expect([...graph.run({ x: vector(1, 2, 3) })[0]!]).toEqual([12, 24, 36]);
    expect([...graph.run({ x: vector(-1, 0, 5) })[0]!]).toEqual([8, 20, 40]);
    graph.dispose();
  });

  it('drops what no output depends on, inputs too', () => {
    const { tf, backend } = tensorflow;
    const recording = recorded({ x: vector(4), y: vector(9) }, ({ x, y }) => {
      tf.exp(tf.mul(y!, tf.tensor1d([1])));
      return [tf.sqrt(x!)];
    });
    expect(names(recording)).toContain('Exp');
    const pruned = prune(recording);
    expect(names(pruned)).toEqual(['Sqrt']);
    expect([pruned.inputs.map(({ name }) => name), pruned.constants]).toEqual([['x'], []]);
    const graph = new CompiledGraph(backend.binding, recording);
    expect([...graph.run({ x: vector(16) })[0]!]).toEqual([4]);
    graph.dispose();
  });

  it('is refused where a value is read back to the host, and the backend is as before', () => {
    const { tf, backend } = tensorflow;
    const { binding } = backend;
    const before = tf.memory().numTensors;
    const peek = () => recorded({ x: vector(1) }, ({ x }) => [tf.mul(x!, tf.square(x!).dataSync()[0]!)]);
    expect(peek).toThrow(NotCompilable);
    expect(backend.binding).toBe(binding);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('that TensorFlow does not take says so', () => {
    const recording: Recording = {
      inputs: [],
      constants: [],
      ops: [{ name: 'NoSuchOp', attributes: [], inputs: [], results: [{ shape: [], dtype: 1 }] }],
      outputs: [{ kind: 'op', index: 0, output: 0 }],
      effects: [],
    };
    expect(() => new CompiledGraph(tensorflow.backend.binding, recording)).toThrow(NotCompilable);
  });
});

describe('Rewriting', () => {
  it("makes TensorFlow's own gradient of tfjs's roundabout one of relu", () => {
    const { tf, backend } = tensorflow;
    const inputs = { x: vector(-2, -0, 0, 3), dy: vector(5, 6, 7, 8) };
    const recording = recorded(inputs, ({ x, dy }) => [tf.grad((v) => tf.mul(tf.relu(v), dy!))(x!)]);
    const rewritten = prune(rewrite(recording, REWRITES, backend.binding));
    expect(names(prune(recording))).toEqual(expect.arrayContaining(['IsNan', 'Greater', 'Select']));
    expect(names(rewritten)).toContain('ReluGrad');
    expect(names(rewritten)).not.toEqual(expect.arrayContaining(['Select']));
    const graph = new CompiledGraph(backend.binding, recording);
    expect([...graph.run(inputs)[0]!]).toEqual([0, 0, 0, 8]);
    graph.dispose();
  });

  it('makes the bias of a convolution a BiasAdd, and leaves other sums alone', () => {
    const { tf, backend } = tensorflow;
    const image: HostTensor = { ...vector(...Array<number>(2 * 3 * 3 * 2).fill(0.5)), shape: [2, 3, 3, 2] };
    const inputs = { image, bias: vector(1, 2), kernel: { ...vector(1, 2, 3, 4), shape: [1, 1, 2, 2] } };
    const recording = recorded(inputs, ({ image, bias, kernel }) => {
      const convolution = tf.conv2d(image as Tensor4D, kernel as Tensor4D, 1, 'same');
      return [tf.add(convolution, bias!), tf.add(image!, bias!), tf.add(convolution, tf.scalar(1))];
    });
    expect(names(recording)).not.toContain('BiasAdd');
    const rewritten = names(prune(rewrite(recording, REWRITES, backend.binding)));
    expect(rewritten.filter((name) => /Add/.test(name)).sort()).toEqual(['Add', 'Add', 'BiasAdd']);
    const graph = new CompiledGraph(backend.binding, recording);
    const [biased, summed, raised] = graph.run(inputs).map((values) => [...values.slice(0, 2)]);
    expect([biased, summed, raised]).toEqual([[3, 5], [1.5, 2.5], [3, 4]]); // prettier-ignore
    graph.dispose();
  });

  it('leaves the gradient of a leaky relu alone', () => {
    const { tf, backend } = tensorflow;
    const inputs = { x: vector(-2, 3) };
    const recording = recorded(inputs, ({ x }) => [tf.mul(tf.tensor1d([1, 1]), tf.step(x!, 0.25))]);
    expect(names(prune(rewrite(recording, REWRITES, backend.binding)))).not.toContain('ReluGrad');
    const graph = new CompiledGraph(backend.binding, recording);
    expect([...graph.run(inputs)[0]!]).toEqual([0.25, 1]);
    graph.dispose();
  });
});

describe('Splitting', () => {
  it('pools again for the gradient of pooling, and keeps the rest', () => {
    const { tf, backend } = tensorflow;
    const image: HostTensor = { ...vector(1, 5, 2, 7, 3, 4, 8, 6), shape: [1, 2, 4, 1] };
    const inputs = { image, dy: { ...vector(10, 20), shape: [1, 1, 2, 1] } };
    const recording = recorded(inputs, ({ image, dy }) => {
      const pooled = (x: Tensor) => tf.log(tf.maxPool(tf.exp(x) as Tensor4D, 2, 2, 'valid'));
      const { value, grad } = tf.valueAndGrad(pooled)(image!, dy as Tensor4D);
      return [value, grad];
    });
    const { first, second, kept } = splitRecording(recording, 1);
    expect([names(first), kept]).toEqual([['Exp', 'MaxPool', 'Log'], 1]);
    expect(names(second!)).toContain('MaxPool');
    expect(names(second!)).not.toContain('Exp');
    const graphs = [first, second!].map((half) => new CompiledGraph(backend.binding, half));
    const [, exponentials] = graphs[0]!.run(inputs);
    const [gradient] = graphs[1]!.run({ ...inputs, kept_0: { ...image, values: exponentials! } });
    [0, 10, 0, 0, 0, 0, 20, 0].forEach((value, i) => expect(gradient![i]).toBeCloseTo(value, 4));
    for (const graph of graphs) graph.dispose();
  });
});
