/** What is used of WebAssembly: neither ECMAScript's types nor Node's name it, and the DOM's name too much. */
interface WebAssemblyApi {
  Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  Module: new (bytes: Uint8Array) => WasmModule;
  Instance: new (module: WasmModule, imports: { env: { memory: WasmMemory } }) => { exports: unknown };
}

export interface WasmMemory {
  /** The same object for as long as the memory does not grow. */
  readonly buffer: ArrayBufferLike;
}

/** Compiled code, of which there may be many instances. */
export type WasmModule = object;

export const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
