import type { Binding, OpAttribute } from '../tensorflow/binding.ts';
import { messages, type AttrMessage, type NodeMessage, type ShapeMessage } from './protobuf.ts';
import { TAG } from './loaded-graph.ts';
import { NotCompilable, type RecordedTensor, type Recording, type Source } from './recording.ts';

/** Version of GraphDef's meaning: TensorFlow 2.x has written 1 to 2,000 and more; this one is of 2.9, the oldest tfjs-node is made for. */
const PRODUCER = 987;

/** Name of a recorded tensor in the graph: `op_3:0`. */
export function tensorName(source: Source): string {
  if (source.kind === 'input') return `${source.name}:0`;
  return source.kind === 'constant' ? `constant_${source.index}:0` : `op_${source.index}:${source.output}`;
}

/** Name of the first output where ops must run before it is there. */
const LAST = 'last';

/** What to ask a session for, by output. */
export function fetchesOf({ outputs, effects }: Recording): string[] {
  return outputs.map((output, i) => (i === 0 && effects.length > 0 ? `${LAST}:0` : tensorName(output)));
}

/** A recording as the bytes of a `saved_model.pb`: inputs become placeholders of fixed shape. */
export function savedModelOf(recording: Recording, binding: Binding): Uint8Array {
  const nodes = [
    ...recording.inputs.map((input) =>
      node(input.name, 'Placeholder', [], { dtype: typeAttr(input.dtype), shape: shapeAttr(input.shape) }),
    ),
    ...recording.constants.map((constant, i) =>
      node(`constant_${i}`, 'Const', [], { dtype: typeAttr(constant.dtype), value: tensorAttr(constant) }),
    ),
    ...recording.ops.map((op, i) =>
      node(
        `op_${i}`,
        op.name,
        op.inputs.map(tensorName),
        Object.fromEntries(op.attributes.map((attribute) => [attribute.name, opAttr(attribute, binding)])),
      ),
    ),
    ...lastOf(recording),
  ];
  const versions = new messages.VersionDef();
  versions.setProducer(PRODUCER);
  const graph = new messages.GraphDef();
  graph.setNodeList(nodes);
  graph.setVersions(versions);
  const info = new messages.MetaGraphDef.MetaInfoDef();
  info.setTagsList([TAG]);
  const metaGraph = new messages.MetaGraphDef();
  metaGraph.setMetaInfoDef(info);
  metaGraph.setGraphDef(graph);
  const savedModel = new messages.SavedModel();
  savedModel.setSavedModelSchemaVersion(1);
  savedModel.setMetaGraphsList([metaGraph]);
  return savedModel.serializeBinary();
}

/** The first output once more, after all effects: the session's runs can only be asked for outputs. */
function lastOf({ inputs, constants, ops, outputs, effects }: Recording): NodeMessage[] {
  const [first] = outputs;
  if (effects.length === 0 || !first) return [];
  const { dtype } =
    first.kind === 'op'
      ? ops[first.index]!.results[first.output]!
      : first.kind === 'constant'
        ? constants[first.index]!
        : inputs.find(({ name }) => name === first.name)!;
  const after = effects.map((effect) => `^${tensorName(effect).split(':')[0]!}`);
  return [node(LAST, 'Identity', [tensorName(first), ...after], { T: typeAttr(dtype) })];
}

function node(name: string, op: string, inputs: string[], attributes: Record<string, AttrMessage>): NodeMessage {
  const message = new messages.NodeDef();
  message.setName(name);
  message.setOp(op);
  message.setInputList(inputs);
  for (const [key, value] of Object.entries(attributes)) message.getAttrMap().set(key, value);
  return message;
}

function attr(fill: (message: AttrMessage) => void): AttrMessage {
  const message = new messages.AttrValue();
  fill(message);
  return message;
}

const typeAttr = (dtype: number) => attr((message) => message.setType(dtype));
const shapeAttr = (shape: number[]) => attr((message) => message.setShape(shapeMessage(shape)));

function tensorAttr({ shape, dtype, values }: RecordedTensor & { values: ArrayBufferView }): AttrMessage {
  const tensor = new messages.Tensor();
  tensor.setDtype(dtype);
  tensor.setTensorShape(shapeMessage(shape));
  tensor.setTensorContent(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return attr((message) => message.setTensor(tensor));
}

function shapeMessage(shape: number[]): ShapeMessage {
  const message = new messages.TensorShape();
  for (const size of shape) {
    const dim = new messages.TensorShape.Dim();
    dim.setSize(size);
    message.addDim(dim);
  }
  return message;
}

/** As the addon reads attributes (AssignOpAttr in tfjs_backend.cc). */
function opAttr({ name, type, value }: OpAttribute, binding: Binding): AttrMessage {
  const list = new messages.AttrValue.ListValue();
  switch (type) {
    case binding.TF_ATTR_TYPE:
      return typeAttr(value as number);
    case binding.TF_ATTR_SHAPE:
      return shapeAttr(value as number[]);
    case binding.TF_ATTR_STRING:
      return attr((message) => message.setS(new TextEncoder().encode(String(value))));
    case binding.TF_ATTR_INT:
      if (!Array.isArray(value)) return attr((message) => message.setI(value as number));
      list.setIList(value as number[]);
      return attr((message) => message.setList(list));
    case binding.TF_ATTR_FLOAT:
      if (!Array.isArray(value)) return attr((message) => message.setF(value as number));
      list.setFList(value as number[]);
      return attr((message) => message.setList(list));
    case binding.TF_ATTR_BOOL:
      if (!Array.isArray(value)) return attr((message) => message.setB(value as boolean));
      list.setBList(value as boolean[]);
      return attr((message) => message.setList(list));
    default:
      throw new NotCompilable(`The attribute ${name} of an op is of a kind that the compiler does not know (${type}).`);
  }
}
