// The transcript as a file. Subtitles are cut by the gateway, by the rules of the SDK and the command.

export async function save(transcript, format) {
  let content = transcript.text;
  if (format !== "txt") {
    const words = transcript.utterances.map((utterance) => utterance.words);
    const answer = await fetch(`subtitles/${format}`, { method: "POST", body: JSON.stringify(words) });
    if (!answer.ok) throw new Error(await answer.text());
    content = await answer.text();
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "text/plain" }));
  link.download = `captions.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
