// The model of a page without a server: ONNX Runtime and the model lie in the page, packed. `ort` is its runtime.

const about = JSON.parse(document.getElementById("about").textContent);
const SILENCE = 2 ** -15, EDGE_SECONDS = 0.01, RIPPLE = 2e-3; // as in serving/flags.py
const CLIP_CROPS = 3; // as in serving/predict.py

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
  const edge = Math.min(Math.floor(EDGE_SECONDS * about.sample_rate), Math.floor(samples.length / 4));
  const [low, high] = extremes(samples.subarray(edge, samples.length - edge));
  return high - low < Math.max(SILENCE, RIPPLE * Math.abs(high)) && Math.min(Math.abs(low), Math.abs(high)) >= SILENCE;
};

const flagsOf = (samples, probabilities) =>
  isSilent(samples) ? ["silent"] : Math.max(...probabilities) < about.unsure_below ? ["unsure"] : [];

const ranked = probabilities => probabilities
  .map((probability, index) => ({ label: about.classes[index], probability }))
  .sort((one, other) => other.probability - one.probability);

// Windows of one crop, one every half; the last one ends with the sound.
const windowsOf = async (samples, advance) => {
  const size = about.crop_samples, hop = Math.max(1, Math.floor(size / 2));
  const starts = [];
  for (let start = 0; start + size <= samples.length; start += hop) starts.push(start);
  if (starts.at(-1) + size < samples.length) starts.push(samples.length - size);
  const windows = [];
  for (const start of starts) {
    const waveform = samples.subarray(start, start + size);
    const probabilities = await probabilitiesOf(waveform);
    windows.push({ start, probabilities, flags: flagsOf(waveform, probabilities) });
    if (windows.length % 8 === 0) {
      advance(windows.length / starts.length);
      await new Promise(resolve => setTimeout(resolve)); // the page stays alive
    }
  }
  return windows;
};

// What `predict --json` prints of a file, for its bytes.
const answerOf = async (bytes, name, advance = () => {}) => {
  const answer = { file: name, duration_seconds: null, predictions: [], windows: null, flags: [], error: null, notes: [] };
  let sound;
  try {
    sound = await decodeSound(bytes, about.sample_rate);
  } catch {
    return { ...answer, error: "this browser cannot decode the file; try wav, ogg, mp3 or flac" };
  }
  const { samples, seconds } = sound;
  if (!samples.length) return { ...answer, error: "empty: there are no samples in it" };
  answer.duration_seconds = seconds;
  const windows = samples.length > CLIP_CROPS * about.crop_samples ? await windowsOf(samples, advance) : null;
  let probabilities;
  if (seconds <= about.clip_seconds + 1e-4) {
    probabilities = await probabilitiesOf(samples);
    answer.flags = flagsOf(samples, probabilities);
  } else {
    const sounding = windows.filter(window => !window.flags.includes("silent"));
    const heard = sounding.length ? sounding : windows;
    probabilities = about.classes.map((_, index) => heard.reduce((sum, window) => sum + window.probabilities[index], 0) / heard.length);
    answer.flags = sounding.length ? [] : ["silent"];
    answer.notes.push(`heard in ${windows.length} windows of ${about.crop_samples / about.sample_rate} s`);
  }
  answer.predictions = ranked(probabilities);
  answer.windows = windows?.map(({ start, probabilities, flags }) => ({
    start_seconds: start / about.sample_rate,
    end_seconds: (start + about.crop_samples) / about.sample_rate,
    ...ranked(probabilities)[0],
    flags,
  })) ?? null;
  return answer;
};
