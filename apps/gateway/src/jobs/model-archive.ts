import { Readable } from 'node:stream';
import { DownpourError, objects } from '@downpour/contracts';
import type { JobRecord } from '@downpour/contracts';
import { isTerminal } from '@downpour/jobs';
import yazl from 'yazl';
import type { BlobStore } from '../ports.ts';

/**
 * model.json and weights.bin of a job as a zip, streamed: what `tf.loadLayersModel` reads once unpacked.
 * @throws DownpourError conflict while there is no model (yet)
 */
export async function modelArchive(job: JobRecord, blobs: BlobStore): Promise<Readable> {
  const [topology, weights] = [objects.modelTopology(job.id), objects.modelWeights(job.id)];
  if (job.state !== 'succeeded' || !(await blobs.exists(topology)) || !(await blobs.exists(weights))) {
    const hope = isTerminal(job.state) ? 'it left no model' : 'its model is there once it has succeeded';
    throw new DownpourError('conflict', `Job ${job.id} is ${job.state}: ${hope}`);
  }
  const files = [
    { name: 'model.json', ...(await blobs.getStream(topology)) },
    { name: 'weights.bin', ...(await blobs.getStream(weights)) },
  ];
  const zip = new yazl.ZipFile();
  const output = zip.outputStream as Readable;
  for (const { name, bytes, stream } of files) {
    const source = Readable.from(stream, { objectMode: false });
    source.once('error', (error) => output.destroy(error));
    // Weights do not get smaller; stored, the archive's size is known beforehand.
    zip.addReadStream(source, name, { size: bytes, compress: false });
  }
  zip.end();
  return output;
}
