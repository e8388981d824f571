import { randomInt } from 'node:crypto';
import { Readable } from 'node:stream';
import type { WeightsRecord } from '@downpour/contracts';
import { DownpourError, objects } from '@downpour/contracts';
import type { SafetensorsHeader } from '@downpour/tensor';
import { Controller, Delete, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayPorts } from '../ports.ts';
import { GATEWAY_PORTS } from '../ports.ts';
import { unsupportedMediaType } from '../problems/problem.filter.ts';
import { UPLOAD_LIMIT } from '../tokens.ts';
import { checkedWeights, tooLarge } from './checked-weights.ts';

export const WEIGHTS_TYPE = 'application/octet-stream';
const ID_CHARACTERS = 12;

/** Parameters that jobs begin with. Each upload has an id of its own, so that whoever made it may delete it once its job trains. */
@Controller('v1/weights')
export class WeightsController {
  readonly #ports: Pick<GatewayPorts, 'blobs'>;
  readonly #maxBytes: number;

  constructor(@Inject(GATEWAY_PORTS) ports: GatewayPorts, @Inject(UPLOAD_LIMIT) maxBytes: number) {
    this.#ports = ports;
    this.#maxBytes = maxBytes;
  }

  @Post()
  async upload(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WeightsRecord> {
    const { body } = request;
    // A content-type parser hands the bytes on as they come (gateway.service-definition.ts).
    if (!(body instanceof Readable)) throw unsupportedMediaType(WEIGHTS_TYPE);
    if (Number(request.headers['content-length'] ?? 0) > this.#maxBytes) throw tooLarge(this.#maxBytes);
    const id = `weights-${Array.from({ length: ID_CHARACTERS }, () => randomInt(36).toString(36)).join('')}`;
    const { header, bytes } = await this.#store(id, body);
    reply.header('location', `/v1/weights/${id}`);
    const parameters = (header.bytes - header.dataBegin) / Float32Array.BYTES_PER_ELEMENT;
    return { id, bytes, variables: header.tensors.length, parameters };
  }

  @Delete(':id')
  @HttpCode(204)
  async remove(@Param('id') id: string): Promise<void> {
    const known = /^[a-z0-9-]{1,64}$/.test(id) && (await this.#ports.blobs.exists(objects.weights(id)));
    if (!known) throw new DownpourError('not-found', `There are no weights ${id} (any more)`);
    await this.#ports.blobs.remove(objects.weights(id));
  }

  async #store(id: string, body: Readable): Promise<{ header: SafetensorsHeader; bytes: number }> {
    const found: { header?: SafetensorsHeader } = {};
    let failure: unknown;
    // A refusal must not end the connection while the sender still sends: it would not read why.
    const whole = body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    // The store wraps what its source throws; what is wrong with the upload should come through as it is.
    const watched = async function* (bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      try {
        yield* bytes;
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    try {
      const { bytes } = await this.#ports.blobs.putStream(
        objects.weights(id),
        watched(checkedWeights(whole, this.#maxBytes, found)),
      );
      return { header: found.header!, bytes };
    } catch (error) {
      // The connection serves the next request once the rest of this one is read.
      body.resume();
      throw failure ?? error;
    }
  }
}
