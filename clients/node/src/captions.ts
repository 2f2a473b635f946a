#!/usr/bin/env node
// Live captions of a file, or of what a microphone program writes:
//
//   node dist/captions.js recording.wav
//   arecord -q -f S16_LE -r 16000 -c 1 -t raw | node dist/captions.js --rate 16000 -
//
// Interim text goes to stderr, final text to stdout. A token comes from the variable HEARKENCLIENT_TOKEN.

import { createReadStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { Client, HearkenError, type ConnectionOptions, type StreamOptions } from './index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: 'string', default: 'localhost:50051' },
    rate: { type: 'string' },
    'root-certificates': { type: 'string' },
  },
});
const [file] = positionals;
if (file === undefined) {
  console.error('usage: captions [--server HOST:PORT] [--root-certificates FILE] [--rate HZ] FILE   (-: standard input)');
  process.exit(2);
}
const connection: ConnectionOptions = {};
if (process.env['HEARKENCLIENT_TOKEN']) connection.token = process.env['HEARKENCLIENT_TOKEN'];
if (values['root-certificates']) connection.rootCertificates = values['root-certificates'];
const options: StreamOptions = values.rate ? { sampleRateHz: Number(values.rate) } : {};

const client = new Client(values.server, connection);
const audio = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 3200 });
try {
  for await (const { alternatives, isFinal } of client.stream(audio, options)) {
    const text = alternatives[0]?.transcript ?? '';
    if (isFinal) console.log(text);
    else process.stderr.write(`  ${text}\n`);
  }
} catch (error) {
  console.error(error instanceof HearkenError ? `${error.status}: ${error.message}` : (error as Error).message);
  process.exitCode = 1;
} finally {
  client.close();
}
