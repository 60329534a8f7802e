// Sound in the browser: opening a file, recording one.
"use strict";

const LONGEST_DRAWN = 1800; // seconds: decoding more would take gigabytes
const LONGEST_RECORDED = 300; // seconds

// A file as { url, seconds, samples, rate } with mono samples at the wanted rate (Hz) or the nearest that browsers have;
// samples are null where it is too long to be drawn. Null where this browser cannot decode it.
async function openSound(file, wanted) {
  const rate = Math.max(8000, Math.min(96000, wanted));
  const url = URL.createObjectURL(file);
  const seconds = await secondsOf(url);
  if (seconds > LONGEST_DRAWN) return { url, seconds, samples: null, rate };
  try {
    const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await file.arrayBuffer());
    if (!buffer.length) throw new Error("empty");
    return { url, seconds: buffer.duration, samples: mixDown(buffer), rate };
  } catch {
    URL.revokeObjectURL(url);
    return null;
  }
}

function secondsOf(url) {
  return new Promise((resolve) => {
    const audio = document.createElement("audio");
    audio.addEventListener("loadedmetadata", () => resolve(Number.isFinite(audio.duration) ? audio.duration : 0));
    audio.addEventListener("error", () => resolve(0));
    audio.preload = "metadata";
    audio.src = url;
  });
}

function mixDown(buffer) {
  const mono = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++)
    buffer.getChannelData(channel).forEach((value, index) => { mono[index] += value / buffer.numberOfChannels; });
  return mono;
}

// What the server decoded, { sample_rate, samples } in base64, as an opened sound.
function soundOf(sent) {
  const bytes = Uint8Array.from(atob(sent.samples), (letter) => letter.charCodeAt(0));
  const samples = Float32Array.from(new Int16Array(bytes.buffer), (value) => value / 32767);
  const url = URL.createObjectURL(wavOf(samples, sent.sample_rate));
  return { url, seconds: samples.length / sent.sample_rate, samples, rate: sent.sample_rate };
}

// A WAV file of mono samples, 16 bits.
function wavOf(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const letters = (place, text) => [...text].forEach((letter, index) => view.setUint8(place + index, letter.charCodeAt(0)));
  letters(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); letters(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true); view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  letters(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, index) => view.setInt16(44 + 2 * index, Math.round(Math.max(-1, Math.min(1, value)) * 32767), true));
  return new Blob([view], { type: "audio/wav" });
}

// Records from the microphone until `stop()` is called; then `done` is a WAV file. `level()` is the last moment's waveform.
async function startRecording() {
  if (!navigator.mediaDevices) throw new Error("this browser gives no page here the microphone");
  // What improves speech in calls would take other sounds away.
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  context.createMediaStreamSource(stream).connect(analyser);
  const lossless = "audio/webm;codecs=pcm";
  const recorder = new MediaRecorder(stream, MediaRecorder.isTypeSupported(lossless) ? { mimeType: lossless } : { audioBitsPerSecond: 256000 });
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const done = new Promise((resolve, reject) => recorder.addEventListener("stop", async () => {
    stream.getTracks().forEach((track) => track.stop());
    try {
      const buffer = await context.decodeAudioData(await new Blob(parts).arrayBuffer());
      resolve(new File([wavOf(mixDown(buffer), buffer.sampleRate)], "recording.wav", { type: "audio/wav" }));
    } catch {
      reject(new Error("nothing was recorded"));
    }
    context.close();
  }));
  const waveform = new Float32Array(analyser.fftSize);
  recorder.start();
  setTimeout(() => recorder.state === "recording" && recorder.stop(), 1000 * LONGEST_RECORDED);
  return {
    done,
    stop: () => recorder.state === "recording" && recorder.stop(),
    level: () => { analyser.getFloatTimeDomainData(waveform); return waveform; },
  };
}
