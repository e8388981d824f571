export { BYTES_PER_ELEMENT, elementCount } from './dtype.ts';
export { decodeFrame, encodeFrame } from './frame.ts';
export { decodeSafetensorsHeader, encodeSafetensorsHeader, safetensorsHeaderBytes } from './safetensors.ts';
export { formatSliceHead, parseSliceHead, SliceAssembler, sliceFrame } from './slices.ts';
export { asFloat32, asInt32, asUint8, requireTensor } from './typed-access.ts';
export type { AllocateFrame } from './frame.ts';
export type { PlacedTensor, SafetensorsEntry, SafetensorsHeader } from './safetensors.ts';
export type { Slice, SliceAssemblerOptions, SliceHead } from './slices.ts';
export type { DType, OutgoingFrame, OutgoingTensor, Tensor, TensorFrame, WrittenData } from './tensor.ts';
