import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { DownpourError } from '@downpour/contracts';
import { Controller, Get, Inject, Param, Redirect, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { OpenApiDocument } from '../openapi/document.ts';
import { OPENAPI } from '../tokens.ts';
import { DOCS_PAGE, DOCS_SCRIPT } from './docs-page.ts';

/** swagger-ui-dist's files, from the packages of this machine: the page works without the internet. */
const FOLDER = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];
const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
};
const DAY_S = 86_400;

@Controller()
export class DocsController {
  readonly #document: OpenApiDocument;

  constructor(@Inject(OPENAPI) document: OpenApiDocument) {
    this.#document = document;
  }

  @Get()
  @Redirect('/docs', 302)
  home(): void {
    // The decorator says it all.
  }

  @Get('openapi.json')
  openApi(): OpenApiDocument {
    return this.#document;
  }

  @Get('docs')
  async page(@Res() reply: FastifyReply): Promise<void> {
    await reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:")
      .send(DOCS_PAGE);
  }

  @Get('docs/:file')
  async file(@Param('file') file: string, @Res() reply: FastifyReply): Promise<void> {
    const content = file === 'docs.js' ? DOCS_SCRIPT : FILES.includes(file) ? await readFile(join(FOLDER, file)) : null;
    if (content === null) throw new DownpourError('not-found', `There is no file ${file} here`);
    await reply
      .header('content-type', TYPES[extname(file)] ?? 'application/octet-stream')
      .header('cache-control', `public, max-age=${DAY_S}`)
      .send(content);
  }
}
