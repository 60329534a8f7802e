// The engine of the page that `audio-cls serve` shows: a program on this computer. An engine has two functions:
// `about()` gives { name, classes, sample_rate, crop_seconds, most_bytes, promise };
// `predict(file, sound)` gives the answer on a file. `sound` is what the browser decoded of it (see sound.js), or null.
// Both throw an error whose message is one line.
"use strict";

const engine = {
  async about() {
    return { ...(await ask("model.json")), promise: "Sounds go to the program on this computer, and are deleted once they are heard." };
  },
  predict(file, sound) {
    const headers = { "Content-Type": "application/octet-stream", "X-File-Name": encodeURIComponent(file.name) };
    return ask(sound ? "predict" : "predict?sound", { method: "POST", headers, body: file });
  },
};

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The program does not answer: start audio-cls serve again and load this page anew.");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
