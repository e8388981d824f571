import type { DatasetSpec } from '@downpour/contracts';
import { datasetSpecSchema, DownpourError } from '@downpour/contracts';
import type { FastifyRequest } from 'fastify';
import { fieldProblem, ProblemError } from '../problems/problem-error.ts';
import { unsupportedMediaType } from '../problems/problem.filter.ts';
import { parseOrProblem } from '../problems/zod.pipe.ts';

/** A file of an upload as its bytes come in. */
export interface UploadedFile {
  field: string;
  content: AsyncIterable<Uint8Array>;
}

/** An upload: what it says of itself, then its files, one after another. Each must be read before the next comes. */
export interface Upload {
  spec: DatasetSpec;
  files: AsyncIterable<UploadedFile>;
}

const MAX_SPEC_FIELD_BYTES = 64 * 1024;
/** numpy takes four; room for a clear message about surplus ones. */
const MAX_FILES = 8;

/** Refuses at once what is no form or says that it is too large. @throws ProblemError */
export function checkUploadHead(request: FastifyRequest, maxBytes: number): void {
  if (!request.isMultipart()) throw unsupportedMediaType('multipart/form-data');
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > maxBytes) throw tooLarge(maxBytes);
}

/** Reads the form's first field, `spec`, and hands on the files as a stream. @throws ProblemError */
export async function openUpload(request: FastifyRequest, maxBytes: number): Promise<Upload> {
  const parts = request.parts({
    // Counted over all files below; the parser's own limit would cut a file short without a word.
    limits: { fileSize: Infinity, fieldSize: MAX_SPEC_FIELD_BYTES, fields: 1, files: MAX_FILES, parts: MAX_FILES + 1 },
  });
  const first = await parts.next().catch(rethrow);
  const part = first.done === true ? undefined : first.value;
  if (part?.type !== 'field' || part.fieldname !== 'spec') {
    throw fieldProblem(400, 'spec', 'The form begins with the field "spec", a JSON object; the files come after it');
  }
  if (part.valueTruncated) throw fieldProblem(400, 'spec', `The spec is longer than ${MAX_SPEC_FIELD_BYTES} bytes`);
  const spec = parseOrProblem(datasetSpecSchema, parseJson(part.value), 'The spec of the data set');
  return { spec, files: filesOf(parts, maxBytes) };
}

async function* filesOf(parts: ReturnType<FastifyRequest['parts']>, maxBytes: number): AsyncGenerator<UploadedFile> {
  let total = 0;
  const counted = async function* (content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const bytes of content) {
        total += bytes.byteLength;
        if (total > maxBytes) throw tooLarge(maxBytes);
        yield bytes;
      }
    } catch (error) {
      rethrow(error);
    }
  };
  const seen = new Set<string>();
  try {
    for await (const part of parts) {
      const { fieldname: field } = part;
      if (part.type === 'field')
        throw fieldProblem(400, field, `"${field}" is text; send files as files, with a file name`);
      if (seen.has(field)) throw fieldProblem(400, field, `There are two files "${field}"`);
      seen.add(field);
      yield { field, content: counted(part.file) };
    }
  } catch (error) {
    rethrow(error);
  }
}

/** What the form's parser stumbles over is the sender's doing; it throws bare errors. */
function rethrow(error: unknown): never {
  const known = error instanceof ProblemError || error instanceof DownpourError;
  if (known || (error as { statusCode?: unknown }).statusCode !== undefined) throw error;
  const why = error instanceof Error ? error.message : String(error);
  throw new ProblemError(400, `The form cannot be read: ${why}`, { code: 'invalid-request', cause: error });
}

function tooLarge(maxBytes: number): ProblemError {
  const message = `The upload is larger than ${maxBytes} bytes, the most that this gateway takes (MAX_UPLOAD_BYTES)`;
  return new ProblemError(413, message, { code: 'too-large' });
}

function parseJson(value: unknown): unknown {
  // The form parser has parsed a field that is marked as JSON.
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    throw fieldProblem(400, 'spec', 'The field "spec" is not valid JSON');
  }
}
