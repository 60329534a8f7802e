// Decoding within the browser, at the rate that the file has, and resampling as `data/decode.py` does it.

// The sample rate that the head of a file states (Hz); null where it is of no format that is known here.
const rateOf = bytes => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = place => String.fromCharCode(...bytes.subarray(place, place + 4));
  const find = (name, from, end) => {
    for (let place = from; place + name.length <= Math.min(end, bytes.length); place++)
      if ([...name].every((letter, index) => bytes[place + index] === letter.charCodeAt(0))) return place;
    return -1;
  };
  if (word(0) === "RIFF" && word(8) === "WAVE") {
    for (let place = 12; place + 16 <= bytes.length; place += 8 + view.getUint32(place + 4, true) + (view.getUint32(place + 4, true) & 1))
      if (word(place) === "fmt ") return view.getUint32(place + 12, true);
    return null;
  }
  if (word(0) === "fLaC") return (view.getUint32(18) >>> 12);
  if (word(0) === "OggS") {
    const vorbis = find("\x01vorbis", 0, 4096);
    if (vorbis >= 0) return view.getUint32(vorbis + 12, true);
    return find("OpusHead", 0, 4096) >= 0 ? 48000 : null;
  }
  const tag = word(0).startsWith("ID3") ? 10 + (bytes[6] << 21 | bytes[7] << 14 | bytes[8] << 7 | bytes[9]) : 0;
  for (let place = tag; place + 4 <= Math.min(bytes.length, tag + 8192); place++)
    if (bytes[place] === 0xff && (bytes[place + 1] & 0xe6) === 0xe2 && (bytes[place + 2] & 0x0c) !== 0x0c)
      return [44100, 48000, 32000][bytes[place + 2] >> 2 & 3] >> [2, 0, 1, 0][bytes[place + 1] >> 3 & 3];
  return null;
};

// Mono waveform of a file at `rate` Hz: {samples, seconds}. Throws where the browser cannot decode it.
const decodeSound = async (bytes, rate) => {
  const fileRate = rateOf(bytes) ?? 48000;
  const decoder = new OfflineAudioContext(1, 1, fileRate);
  const sound = await decoder.decodeAudioData(bytes.slice().buffer);
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    const samples = sound.getChannelData(channel);
    for (let place = 0; place < mono.length; place++) mono[place] += samples[place] / sound.numberOfChannels;
  }
  return { samples: resampled(mono, fileRate, rate), seconds: sound.length / fileRate };
};

// Band-limited interpolation (J. O. Smith), with the window, width and roll-off of torchaudio.functional.resample.
const resampled = (samples, from, to) => {
  if (from === to) return samples;
  const divisor = (a, b) => b ? divisor(b, a % b) : a;
  const down = from / divisor(from, to), up = to / divisor(from, to);
  const cut = Math.min(down, up) * 0.99, crossings = 6;
  const width = Math.ceil(crossings * down / cut);
  const kernels = new Map();
  const kernelOf = phase => {
    if (!kernels.has(phase)) {
      const values = [];
      let first = null;
      for (let index = -width; index < width + down; index++) {
        const time = (index / down - phase / up) * cut;
        if (Math.abs(time) >= crossings) continue;
        first ??= index;
        const angle = time * Math.PI;
        values.push((angle ? Math.sin(angle) / angle : 1) * Math.cos(angle / crossings / 2) ** 2 * cut / down);
      }
      kernels.set(phase, { first, values });
    }
    return kernels.get(phase);
  };
  const made = new Float32Array(Math.ceil(samples.length * up / down));
  for (let place = 0; place < made.length; place++) {
    const { first, values } = kernelOf(place % up);
    const start = Math.floor(place / up) * down + first;
    let sum = 0;
    for (let index = Math.max(0, -start); index < values.length && start + index < samples.length; index++)
      sum += values[index] * samples[start + index];
    made[place] = sum;
  }
  return made;
};
