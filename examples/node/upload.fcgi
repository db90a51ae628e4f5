#!/usr/bin/env node
// Stores the request's body, a file of 4 MiB at most. Needs node-fastcgi. UPLOAD_FOLDER=… says where.
// Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
const { randomUUID } = require('node:crypto');
const { createWriteStream } = require('node:fs');
const { rm } = require('node:fs/promises');
const path = require('node:path');
const { Transform } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const fastcgi = require('node-fastcgi');

const MAX_BYTES = 4 * 1024 * 1024;
const folder = process.env.UPLOAD_FOLDER;

class TooLarge extends Error {}

function limit(bytes) {
  return new Transform({
    transform(chunk, _encoding, done) {
      bytes -= chunk.length;
      done(bytes < 0 ? new TooLarge('the body is too large') : null, chunk);
    },
  });
}

/** The new file's name. It is ours: one that a client chooses may hold anything. */
async function store(body) {
  const name = `upload-${randomUUID()}`;
  const file = path.join(folder, name);
  try {
    await pipeline(body, limit(MAX_BYTES), createWriteStream(file, { flags: 'wx' }));
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
  return name;
}

async function answer(request) {
  try {
    return [201, await store(request)];
  } catch (error) {
    if (error instanceof TooLarge) return [413, 'Nothing was stored.'];
    console.error(error);
    return [500, 'Nothing was stored.'];
  }
}

const server = fastcgi.createServer(async (request, response) => {
  const [status, text] = await answer(request);
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
});

server.listen();
