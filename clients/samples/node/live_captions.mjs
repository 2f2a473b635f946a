// Streams a recording with Google's own client library for Node: captions while it is spoken, then the final text.
//
//   npm install
//   node live_captions.mjs recording.wav [localhost:50051]
//
// A server with TLS and tokens: sslCreds from grpc.credentials.createSsl(...), combined with call credentials that add
// `authorization: Bearer TOKEN`.

import { createReadStream } from 'node:fs';
import speech from '@google-cloud/speech';
import { PassThroughClient } from 'google-auth-library';
import { grpc } from 'google-gax';

const [path, address = 'localhost:50051'] = process.argv.slice(2);
if (!path) {
  console.error('usage: node live_captions.mjs recording.wav [host:port]');
  process.exit(2);
}
const [host, port] = address.split(':');
const client = new speech.SpeechClient({
  servicePath: host,
  port: Number(port),
  sslCreds: grpc.credentials.createInsecure(),
  authClient: new PassThroughClient(), // nobody looks for an account of Google's
});

const wanted = {
  config: { languageCode: 'en-US', enableAutomaticPunctuation: true },
  interimResults: true,
};
const captions = client
  .streamingRecognize(wanted)
  .on('error', (error) => {
    console.error(`${grpc.status[error.code] ?? 'failed'}: ${error.details ?? error.message}`);
    process.exit(1);
  })
  .on('data', ({ results }) => {
    for (const { alternatives, isFinal } of results) {
      const text = alternatives[0].transcript.trim();
      if (isFinal) console.log(text);
      else process.stderr.write(`  ${text}\n`);
    }
  })
  .on('end', () => client.close());

// The header of the file says what its audio is.
createReadStream(path, { highWaterMark: 3200 })
  .on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  })
  .pipe(captions);
