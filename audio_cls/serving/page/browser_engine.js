// The engine of a page without a server (see server.js): ONNX Runtime, `ort`, and the model lie in the page, packed.

const model = JSON.parse(document.getElementById("about").textContent);
const SILENCE = 2 ** -15, EDGE_SECONDS = 0.01, RIPPLE = 2e-3; // as in serving/flags.py
const CLIP_CROPS = 3; // as in serving/predict.py
const MOST_BYTES = 100e6;

const unpacked = async id => {
  const packed = Uint8Array.from(atob(document.getElementById(`packed-${id}`).textContent.trim()), letter => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

const opened = (async () => {
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1; // threads need memory that a page from a file may not share
  ort.env.wasm.wasmBinary = (await unpacked("runtime")).buffer;
  return ort.InferenceSession.create(await unpacked("model"));
})();

const probabilitiesOf = async samples => {
  const input = new ort.Tensor("float32", samples, [1, samples.length]);
  return [...(await (await opened).run({ waveform: input })).probabilities.data];
};

const extremes = samples => {
  let low = Infinity, high = -Infinity;
  for (const value of samples) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
};

const isSilent = samples => {
  const [least, most] = extremes(samples);
  if (!samples.length || Math.max(-least, most) < SILENCE) return true;
  const edge = Math.min(Math.floor(EDGE_SECONDS * model.sample_rate), Math.floor(samples.length / 4));
  const [low, high] = extremes(samples.subarray(edge, samples.length - edge));
  return high - low < Math.max(SILENCE, RIPPLE * Math.abs(high)) && Math.min(Math.abs(low), Math.abs(high)) >= SILENCE;
};

const flagsOf = (samples, probabilities) =>
  isSilent(samples) ? ["silent"] : Math.max(...probabilities) < model.unsure_below ? ["unsure"] : [];

const ranked = probabilities => probabilities
  .map((probability, index) => ({ label: model.classes[index], probability }))
  .sort((one, other) => other.probability - one.probability);

// Windows of one crop, one every half; the last one ends with the sound.
const windowsOf = async samples => {
  const size = model.crop_samples, hop = Math.max(1, Math.floor(size / 2));
  const starts = [];
  for (let start = 0; start + size <= samples.length; start += hop) starts.push(start);
  if (starts.at(-1) + size < samples.length) starts.push(samples.length - size);
  const windows = [];
  for (const start of starts) {
    const waveform = samples.subarray(start, start + size);
    const probabilities = await probabilitiesOf(waveform);
    const best = ranked(probabilities)[0], [start_seconds, end_seconds] = [start, start + size].map(place => place / model.sample_rate);
    windows.push({ start_seconds, end_seconds, ...best, flags: flagsOf(waveform, probabilities), probabilities });
    if (windows.length % 8 === 0) await new Promise(resolve => setTimeout(resolve)); // the page stays alive
  }
  return windows;
};

// As `merge` in serving/events.py.
const eventsOf = windows => {
  const events = [];
  for (const { label, probability, start_seconds, end_seconds, flags } of windows) {
    if (flags.length) continue;
    const last = events.at(-1);
    if (last?.label === label && start_seconds <= last.end_seconds) {
      Object.assign(last, { end_seconds, probability: Math.max(last.probability, probability) });
      continue;
    }
    const event = { label, probability, start_seconds, end_seconds };
    if (last && start_seconds < last.end_seconds) event.start_seconds = last.end_seconds = (start_seconds + last.end_seconds) / 2;
    events.push(event);
  }
  return events;
};

// What server.js gives for the bytes of a file.
const answerOf = async (bytes, name) => {
  const answer = {
    file: name, duration_seconds: null, predictions: [], windows: null, flags: [], error: null, notes: [],
    is_recording: false, events: null, window_probabilities: null, attention: null,
  };
  let sound;
  try {
    sound = await decodeSound(bytes, model.sample_rate);
  } catch {
    return { ...answer, error: "this browser cannot decode the file; try wav, mp3 or flac" };
  }
  const { samples, seconds } = sound;
  if (!samples.length) return { ...answer, error: "empty: there are no samples in it" };
  answer.duration_seconds = seconds;
  answer.is_recording = seconds > model.clip_seconds + 1e-4;
  const windows = samples.length > CLIP_CROPS * model.crop_samples ? await windowsOf(samples) : null;
  let probabilities;
  if (answer.is_recording) {
    const sounding = windows.filter(window => !window.flags.includes("silent"));
    const heard = sounding.length ? sounding : windows;
    probabilities = model.classes.map((_, index) => heard.reduce((sum, window) => sum + window.probabilities[index], 0) / heard.length);
    answer.flags = sounding.length ? [] : ["silent"];
    answer.notes.push(`a recording: heard in windows of ${model.crop_samples / model.sample_rate} s; the classes are means over them`);
  } else {
    probabilities = await probabilitiesOf(samples);
    answer.flags = flagsOf(samples, probabilities);
  }
  answer.predictions = ranked(probabilities);
  if (windows) {
    answer.windows = windows;
    answer.events = eventsOf(windows);
    answer.window_probabilities = windows.map(window => window.probabilities);
  }
  return answer;
};

const engine = {
  async about() {
    await opened.catch(error => { throw new Error(`The model cannot run in this browser: ${error.message}`); });
    const doubt = model.unsure_below > 0 ? ` and unsure (the top probability is below ${Math.round(100 * model.unsure_below)}%)` : "";
    const promise = "The model runs within this page: no sound leaves it, and it needs no network. It flags what is silent"
      + `${doubt}; whether a sound is unlike the training data, and where the model looked, audio-cls predict and serve tell.`;
    return { ...model, crop_seconds: model.crop_samples / model.sample_rate, most_bytes: MOST_BYTES, promise };
  },
  async predict(file) {
    return answerOf(new Uint8Array(await file.arrayBuffer()), file.name);
  },
};
