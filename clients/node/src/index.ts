// The client: audio in, results out, over one gRPC connection. Unlike the Python SDK it does not reconnect.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** One word and when it was said; times in seconds of the audio. confidence: 0 to 1; 0 means not estimated. */
export interface Word {
  word: string;
  startS: number;
  endS: number;
  confidence: number;
}

/** One reading of an utterance. words: in final results with `wordInfo`. */
export interface Alternative {
  transcript: string;
  confidence: number;
  words: Word[];
}

/** The text of an utterance (final), or of what has been heard of it so far (interim). Best alternative first. */
export interface Result {
  alternatives: Alternative[];
  isFinal: boolean;
  stability: number;
  startS: number;
  endS: number;
  utterance: number;
  channelTag: number;
}

/** Everything may be left out. latencyMs: how soon interim results come. sampleRateHz: of raw 16-bit audio. */
export interface StreamOptions {
  interimResults?: boolean;
  latencyMs?: 160 | 320 | 640 | 1280;
  sampleRateHz?: number;
  channels?: number;
  separateChannels?: boolean;
  model?: string;
  wordInfo?: boolean;
  punctuation?: boolean;
  hints?: string[];
}

/** token: sent with each call, use it with TLS. rootCertificates: PEM file of the server's authorities; implies tls. */
export interface ConnectionOptions {
  token?: string;
  tls?: boolean;
  rootCertificates?: string;
}

/** A server that said no, or could not be reached. code: a gRPC status such as grpc.status.RESOURCE_EXHAUSTED. */
export class HearkenError extends Error {
  constructor(readonly code: grpc.status, message: string) {
    super(message);
  }

  /** For example "RESOURCE_EXHAUSTED". */
  get status(): string {
    return grpc.status[this.code] ?? 'UNKNOWN';
  }
}

type Call = grpc.ClientDuplexStream<object, { results: Result[] }>;
type Speech = grpc.Client & { streamingRecognize(metadata: grpc.Metadata): Call };

const PROTO = fileURLToPath(new URL('../proto/hearken/v1/speech.proto', import.meta.url));
const definition = grpc.loadPackageDefinition(loadSync(PROTO, { defaults: true, enums: String, longs: Number }));
const SpeechClient = (definition as any).hearken.v1.Speech as grpc.ServiceClientConstructor;

/** A connection to a server. Close it when it is no longer needed. */
export class Client {
  readonly #speech: Speech;
  readonly #metadata = new grpc.Metadata();

  constructor(server = 'localhost:50051', connection: ConnectionOptions = {}) {
    const { token, tls, rootCertificates } = connection;
    const credentials =
      tls || rootCertificates
        ? grpc.credentials.createSsl(rootCertificates ? readFileSync(rootCertificates) : null)
        : grpc.credentials.createInsecure();
    if (token) this.#metadata.set('authorization', `Bearer ${token}`);
    this.#speech = new SpeechClient(server, credentials, { 'grpc.keepalive_time_ms': 30_000 }) as unknown as Speech;
  }

  /** Results as they come. audio: pieces cut anywhere, as fast or slow as they are there. Throws HearkenError. */
  async *stream(audio: AsyncIterable<Uint8Array>, options: StreamOptions = {}): AsyncGenerator<Result> {
    const call = this.#speech.streamingRecognize(this.#metadata);
    call.write({ config: configOf(options) });
    const sending = send(call, audio);
    try {
      for await (const response of call) yield* response.results;
      await sending;
    } catch (error) {
      const { code, details } = error as grpc.ServiceError;
      if (typeof code !== 'number') throw error; // of the source, not of the call
      throw new HearkenError(code, details);
    } finally {
      call.cancel(); // of a caller who has left the loop
    }
  }

  close(): void {
    this.#speech.close();
  }
}

/** Sends all audio, waiting where the server is slower; an error of the source ends the call with it. */
async function send(call: Call, audio: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const piece of audio) {
      if (call.destroyed) return;
      if (!call.write({ audio: piece })) await drained(call);
    }
    call.end();
  } catch (error) {
    call.destroy(error as Error);
  }
}

function drained(call: Call): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ['drain', 'close', 'error']) call.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) call.once(event, done);
  });
}

function configOf(options: StreamOptions): object {
  const raw = options.sampleRateHz ? 'LINEAR16' : 'ENCODING_UNSPECIFIED';
  return {
    audio: {
      encoding: raw,
      sampleRateHz: options.sampleRateHz ?? 0,
      channels: options.channels ?? 0,
      separateChannels: options.separateChannels ?? false,
    },
    recognition: {
      model: options.model ?? '',
      wordInfo: options.wordInfo ?? false,
      phraseHints: (options.hints ?? []).map((phrase) => ({ phrase })),
      text: { automaticPunctuation: options.punctuation ?? false },
    },
    interimResults: options.interimResults ?? true,
    latency: options.latencyMs ? `LATENCY_${options.latencyMs}_MS` : 'LATENCY_UNSPECIFIED',
  };
}
