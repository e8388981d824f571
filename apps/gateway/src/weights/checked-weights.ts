import { DownpourError } from '@downpour/contracts';
import { decodeSafetensorsHeader, safetensorsHeaderBytes } from '@downpour/tensor';
import type { SafetensorsHeader } from '@downpour/tensor';
import { ProblemError } from '../problems/problem-error.ts';

export function tooLarge(maxBytes: number): ProblemError {
  const message = `The weights are larger than ${maxBytes} bytes, the most that this gateway takes (MAX_UPLOAD_BYTES)`;
  return new ProblemError(413, message, { code: 'too-large' });
}

/** A header names each variable in some fifty bytes. */
const MAX_HEADER_BYTES = 16 * 2 ** 20;

const invalid = (message: string): DownpourError => new DownpourError('invalid-request', message);

/**
 * Hands an upload on as it comes, and looks at it on the way: is it a whole safetensors file of float32? Its header is in `found` once
 * the last byte was taken.
 * @throws DownpourError invalid-request; ProblemError 413 when it is longer than `maxBytes`
 */
export async function* checkedWeights(
  content: AsyncIterable<Uint8Array>,
  maxBytes: number,
  found: { header?: SafetensorsHeader },
): AsyncGenerator<Uint8Array> {
  let head: Uint8Array | null = new Uint8Array(0);
  let bytes = 0;
  for await (const part of content) {
    bytes += part.byteLength;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    if (head !== null) {
      head = Buffer.concat([head, part]);
      if (head.byteLength >= 8) {
        const needed = safetensorsHeaderBytes(head);
        if (needed > MAX_HEADER_BYTES) throw invalid(`The header of the weights is ${needed} bytes long: too many`);
        if (head.byteLength >= needed) {
          found.header = float32Header(head);
          head = null;
        }
      }
    }
    yield part;
  }
  if (found.header === undefined) throw invalid('The weights end before their header: send a safetensors file');
  if (bytes !== found.header.bytes)
    throw invalid(`The weights are ${bytes} bytes, but their header describes ${found.header.bytes}`);
}

function float32Header(head: Uint8Array): SafetensorsHeader {
  const header = decodeSafetensorsHeader(head);
  if (header.tensors.length === 0) throw invalid('There is no tensor among the weights');
  const other = header.tensors.find(({ dtype }) => dtype !== 'float32');
  if (other !== undefined)
    throw invalid(`Variable ${other.name} is ${other.dtype}: parameters are float32, cast it before it is sent`);
  return header;
}
