// What is drawn of a sound, each picture as wide as the sound is long.
"use strict";

const LOWEST_HZ = 60;
const RANGE_DB = 75; // of the spectrogram, below its loudest place
// Magma (matplotlib), from silence to the loudest.
const COLOURS = ["#000004", "#1c1044", "#4f127b", "#812581", "#b5367a", "#e55064", "#fb8761", "#fec287", "#fcfdbf"].map(
  (text) => [1, 3, 5].map((place) => parseInt(text.slice(place, place + 2), 16)));

// The canvas in the pixels of the screen, empty: [context, width, height] in CSS pixels.
function blank(canvas) {
  const box = canvas.getBoundingClientRect(), width = Math.max(1, Math.round(box.width)), height = Math.max(1, Math.round(box.height));
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(canvas.width / width, canvas.height / height);
  return [context, width, height];
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function drawWaveform(canvas, samples) {
  const [context, width, height] = blank(canvas);
  context.fillStyle = colour("accent");
  let peak = 0;
  for (const value of samples) peak = Math.max(peak, Math.abs(value));
  const scale = height / 2 / Math.max(peak, 0.01); // what is next to silent stays small
  for (let x = 0; x < width; x++) {
    const end = Math.max(Math.floor(((x + 1) / width) * samples.length), Math.floor((x / width) * samples.length) + 1);
    let low = 0, high = 0;
    for (let index = Math.floor((x / width) * samples.length); index < end; index++) {
      low = Math.min(low, samples[index]);
      high = Math.max(high, samples[index]);
    }
    context.fillRect(x, height / 2 - high * scale, 1, Math.max(1, (high - low) * scale));
  }
}

function drawSpectrogram(canvas, samples, rate) {
  const [context, width, height] = blank(canvas);
  const columns = Math.round(width), rows = Math.round(height), size = 2 ** Math.round(Math.log2(rate * 0.05)); // about 50 ms
  const places = Float32Array.from({ length: rows }, (_, row) => (frequencyAt(1 - (row + 0.5) / rows, rate) * size) / rate);
  const levels = new Float32Array(columns * rows);
  let loudest = -Infinity;
  for (let x = 0; x < columns; x++) {
    const power = spectrum(samples, Math.round(((x + 0.5) / columns) * samples.length) - size / 2, size);
    for (let row = 0; row < rows; row++) {
      const below = Math.min(Math.floor(places[row]), size / 2 - 2), part = places[row] - below;
      const level = 10 * Math.log10((1 - part) * power[below] + part * power[below + 1] + 1e-12);
      levels[row * columns + x] = level;
      loudest = Math.max(loudest, level);
    }
  }
  loudest = Math.max(loudest, -30); // silence stays dark
  const image = new ImageData(columns, rows);
  levels.forEach((level, index) => image.data.set([...shade(1 + (level - loudest) / RANGE_DB), 255], 4 * index));
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(small, 0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const hertz of [125, 250, 500, 1000, 2000, 4000, 8000, 16000]) {
    const y = height * (1 - Math.log(hertz / LOWEST_HZ) / Math.log(rate / 2 / LOWEST_HZ));
    if (y < 8 || y > height - 8) continue;
    const text = hertz < 1000 ? `${hertz} Hz` : `${hertz / 1000} kHz`;
    context.fillStyle = "rgb(0 0 0 / .6)";
    context.fillRect(2, y - 7, context.measureText(text).width + 6, 14);
    context.fillStyle = "#fff";
    context.fillText(text, 5, y);
  }
}

function frequencyAt(share, rate) {
  return LOWEST_HZ * (rate / 2 / LOWEST_HZ) ** share;
}

function shade(level) {
  const place = Math.max(0, Math.min(0.9999, level)) * (COLOURS.length - 1), index = Math.floor(place);
  return COLOURS[index].map((value, channel) => value + (place - index) * (COLOURS[index + 1][channel] - value));
}

// Power of each frequency, [0, size / 2), of `size` samples from `start` on under a Hann window; 1 is a full-scale tone.
function spectrum(samples, start, size) {
  const real = new Float32Array(size), imaginary = new Float32Array(size);
  for (let index = 0; index < size; index++)
    real[index] = (samples[start + index] || 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * (index + 0.5)) / size));
  transform(real, imaginary);
  return Float32Array.from({ length: size / 2 }, (_, index) => (real[index] ** 2 + imaginary[index] ** 2) * (4 / size) ** 2);
}

// The fast Fourier transform in place (Cooley and Tukey 1965, radix 2).
function transform(real, imaginary) {
  const size = real.length;
  for (let index = 1, mirrored = 0; index < size; index++) {
    let bit = size >> 1;
    for (; mirrored & bit; bit >>= 1) mirrored ^= bit;
    mirrored ^= bit;
    if (index < mirrored)
      for (const part of [real, imaginary]) [part[index], part[mirrored]] = [part[mirrored], part[index]];
  }
  for (let length = 2; length <= size; length *= 2)
    for (let turn = 0; turn < length / 2; turn++) {
      const cosine = Math.cos((2 * Math.PI * turn) / length), sine = -Math.sin((2 * Math.PI * turn) / length);
      for (let one = turn; one < size; one += length) {
        const other = one + length / 2;
        const x = real[other] * cosine - imaginary[other] * sine, y = real[other] * sine + imaginary[other] * cosine;
        real[other] = real[one] - x; imaginary[other] = imaginary[one] - y;
        real[one] += x; imaginary[one] += y;
      }
    }
}

// A curve above zero with a dotted line at 1; null values are gaps.
function drawCurve(canvas, values) {
  const [context, width, height] = blank(canvas);
  const most = Math.max(2, ...values.map((value) => value ?? 0));
  const step = width / values.length;
  context.fillStyle = `rgb(${colour("lane")} / .45)`;
  context.beginPath();
  context.moveTo(0, height);
  values.forEach((value, index) => {
    const y = height * (1 - (value ?? 0) / most);
    context.lineTo(index * step, y);
    context.lineTo((index + 1) * step, y);
  });
  context.lineTo(width, height);
  context.fill();
  context.strokeStyle = colour("soft");
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(0, height * (1 - 1 / most));
  context.lineTo(width, height * (1 - 1 / most));
  context.stroke();
}

// Probability of one class over time, of windows { start_seconds, end_seconds }.
function drawLane(canvas, windows, values, seconds) {
  const [context, width, height] = blank(canvas);
  context.fillStyle = colour("wash");
  context.fillRect(0, 0, width, height);
  const columns = new Float32Array(Math.ceil(width));
  windows.forEach((_, index) => {
    const [begin, end] = shareOf(windows, index);
    for (let x = Math.max(0, Math.round((begin / seconds) * width)); x < Math.min(columns.length, Math.max(1, Math.round((end / seconds) * width))); x++)
      columns[x] = Math.max(columns[x], values[index]);
  });
  columns.forEach((value, x) => {
    context.fillStyle = `rgb(${colour("lane")} / ${value.toFixed(3)})`;
    context.fillRect(x, 0, 1, height);
  });
}

// The stretch of time that a window speaks for where windows overlap: up to the middle between it and its neighbours.
function shareOf(windows, index) {
  const { start_seconds: start, end_seconds: end } = windows[index];
  const before = windows[index - 1], after = windows[index + 1];
  return [before && before.end_seconds > start ? (before.end_seconds + start) / 2 : start,
    after && after.start_seconds < end ? (end + after.start_seconds) / 2 : end];
}

function drawAxis(canvas, seconds) {
  const [context, width] = blank(canvas);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200].find((step) => (seconds / step) * 70 < width) ?? 14400;
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = colour("soft");
  for (let index = 0; index * step <= seconds * 1.0001; index++) {
    const x = ((index * step) / seconds) * width, text = clock(index * step, step < 1 ? 1 : 0);
    const wide = context.measureText(text).width;
    context.fillRect(Math.min(x, width - 1), 0, 1, 5);
    context.fillText(text, Math.max(0, Math.min(width - wide, x - wide / 2)), 17);
  }
}

// '2.5 s', '1:02', '1:00:05'.
function clock(seconds, digits = 1) {
  if (seconds < 60) return `${seconds.toFixed(digits)} s`;
  const whole = Math.floor(seconds + 1e-6), two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);
  return (hours ? `${hours}:${two(minutes)}` : `${minutes}`) + `:${two(whole % 60)}`;
}

// '2.5–11.0 s', '1:02–1:05'.
function stretch(start, end) {
  const [from, to] = [clock(start), clock(end)];
  return `${to.endsWith(" s") ? from.replace(" s", "") : from}–${to}`;
}
