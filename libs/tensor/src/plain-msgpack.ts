import { DownpourError } from '@downpour/contracts';

/** Deep enough for any model topology, shallow enough for the stack. */
const MAX_DEPTH = 128;

const malformed = (why: string): DownpourError =>
  new DownpourError('invalid-request', `The header of the frame is not plain MessagePack: ${why}`);

/**
 * Checks that the bytes are exactly one MessagePack value without extension types, whose lengths all fit into them. A decoder that
 * is given such bytes neither allocates by a forged length nor runs past the end.
 * @throws DownpourError invalid-request
 */
export const assertPlainMsgpack = (bytes: Uint8Array): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.byteLength;
  let at = 0;

  const uint = (width: 1 | 2 | 4): number => {
    if (at + width > end) throw malformed('it ends early');
    const value = width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at) : view.getUint32(at);
    at += width;
    return value;
  };
  const skip = (count: number): void => {
    if (count > end - at) throw malformed('it ends early');
    at += count;
  };
  const items = (count: number, depth: number): void => {
    // Every item takes a byte at least: a forged count fails here and not after billions of rounds.
    if (count > end - at) throw malformed('it ends early');
    if (depth >= MAX_DEPTH) throw malformed(`it is nested deeper than ${MAX_DEPTH}`);
    for (let index = 0; index < count; index++) value(depth + 1);
  };
  const value = (depth: number): void => {
    const tag = uint(1);
    if (tag <= 0x7f || tag >= 0xe0 || tag === 0xc0 || tag === 0xc2 || tag === 0xc3) return;
    if (tag <= 0x8f) return items((tag & 0x0f) * 2, depth);
    if (tag <= 0x9f) return items(tag & 0x0f, depth);
    if (tag <= 0xbf) return skip(tag & 0x1f);
    switch (tag) {
      case 0xc4:
      case 0xd9:
        return skip(uint(1));
      case 0xc5:
      case 0xda:
        return skip(uint(2));
      case 0xc6:
      case 0xdb:
        return skip(uint(4));
      case 0xcc:
      case 0xd0:
        return skip(1);
      case 0xcd:
      case 0xd1:
        return skip(2);
      case 0xca:
      case 0xce:
      case 0xd2:
        return skip(4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return skip(8);
      case 0xdc:
        return items(uint(2), depth);
      case 0xdd:
        return items(uint(4), depth);
      case 0xde:
        return items(uint(2) * 2, depth);
      case 0xdf:
        return items(uint(4) * 2, depth);
      default:
        throw malformed(`tag 0x${tag.toString(16)} is not allowed`);
    }
  };
  value(0);
  if (at !== end) throw malformed('bytes follow its end');
};
