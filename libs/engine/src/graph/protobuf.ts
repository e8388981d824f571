import { createRequire } from 'node:module';

/** TensorFlow's message classes as tfjs-node ships them (generated, untyped): what is used of them here. */
export interface ShapeMessage {
  addDim(dim: DimMessage): void;
}
export interface DimMessage {
  setSize(size: number): void;
}
export interface TensorMessage {
  setDtype(dtype: number): void;
  setTensorShape(shape: ShapeMessage): void;
  setTensorContent(bytes: Uint8Array): void;
}
export interface ListMessage {
  setIList(values: number[]): void;
  setFList(values: number[]): void;
  setBList(values: boolean[]): void;
}
export interface AttrMessage {
  setS(bytes: Uint8Array): void;
  setI(value: number): void;
  setF(value: number): void;
  setB(value: boolean): void;
  setType(dtype: number): void;
  setShape(shape: ShapeMessage): void;
  setTensor(tensor: TensorMessage): void;
  setList(list: ListMessage): void;
}
export interface NodeMessage {
  setName(name: string): void;
  setOp(op: string): void;
  setInputList(inputs: string[]): void;
  getAttrMap(): { set(name: string, value: AttrMessage): unknown };
}
export interface GraphMessage {
  setNodeList(nodes: NodeMessage[]): void;
  setVersions(versions: VersionMessage): void;
}
export interface VersionMessage {
  setProducer(version: number): void;
}
export interface MetaGraphMessage {
  setMetaInfoDef(info: { setTagsList(tags: string[]): void }): void;
  setGraphDef(graph: GraphMessage): void;
}
export interface SavedModelMessage {
  setSavedModelSchemaVersion(version: number): void;
  setMetaGraphsList(graphs: MetaGraphMessage[]): void;
  serializeBinary(): Uint8Array;
}

interface Messages {
  AttrValue: (new () => AttrMessage) & { ListValue: new () => ListMessage };
  GraphDef: new () => GraphMessage;
  MetaGraphDef: (new () => MetaGraphMessage) & { MetaInfoDef: new () => { setTagsList(tags: string[]): void } };
  NodeDef: new () => NodeMessage;
  SavedModel: new () => SavedModelMessage;
  Tensor: new () => TensorMessage;
  TensorShape: (new () => ShapeMessage) & { Dim: new () => DimMessage };
  VersionDef: new () => VersionMessage;
}

export const messages = createRequire(import.meta.url)('@tensorflow/tfjs-node/dist/proto/api_pb') as Messages;
