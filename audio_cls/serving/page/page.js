// The page: takes a sound, asks the engine, shows the answer. Names and messages are put in as text, never as HTML.
"use strict";

const SHOWN = 10; // classes with a bar, and with a lane
const at = (id) => document.getElementById(id);
const percent = (share) => (share < 0.01 ? "< 1%" : `${Math.round(100 * share)}%`);
let about = null, shown = null, asked = 0, recording = null;

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function say(id, text) {
  for (const other of ["status", "problem"]) at(other).hidden = other !== id || !text;
  if (id) at(id).textContent = text;
}

// ---- asking

async function hear(file, count = 1) {
  const turn = ++asked;
  at("result").hidden = true;
  at("player").pause();
  if (!about || !file) return;
  if (about.most_bytes && file.size > about.most_bytes)
    return say("problem", `${file.name}: ${Math.round(file.size / 1e6)} MB are too much for this page, which takes ${Math.round(about.most_bytes / 1e6)} MB; audio-cls predict takes files of any size.`);
  say("status", `${file.name} is being heard …`);
  try {
    const sound = await openSound(file, about.sample_rate);
    const answer = await engine.predict(file, sound);
    if (turn !== asked) return; // another sound was given meanwhile
    if (answer.error) return say("problem", `${answer.file}: ${answer.error}`);
    say("", "");
    if (count > 1) answer.notes = [`one sound at a time: the first of ${count} files`, ...(answer.notes ?? [])];
    show(answer, sound ?? (answer.sound && soundOf(answer.sound)));
  } catch (error) {
    if (turn === asked) say("problem", error.message);
  }
}

// ---- showing

function show(answer, sound) {
  if (shown?.sound) URL.revokeObjectURL(shown.sound.url);
  const seconds = answer.duration_seconds || sound?.seconds || 1;
  shown = { answer, sound, seconds, windows: answer.windows ?? [] };
  const best = answer.predictions?.[0], flags = answer.flags ?? [];
  at("result").hidden = false;
  at("result").classList.toggle("doubtful", flags.length > 0);
  at("about-file").textContent = `${answer.file}, ${clock(seconds)}`;
  const [title, beside] = headline(answer, best, flags);
  at("headline").replaceChildren(title, element("small", beside));
  at("flags").replaceChildren(...flags.map((flag) => element("li", flag)));
  at("notes").replaceChildren(...(answer.notes ?? []).map((note) => element("li", note)));
  showBars(answer.predictions ?? [], answer.is_recording);
  showEvents(answer);
  at("player").hidden = !sound;
  if (sound) at("player").src = sound.url;
  const why = !sound ? "This browser cannot play the file; the answer is complete." : "Sounds of more than 30 minutes are not drawn here; the answer is complete.";
  at("unplayable").hidden = Boolean(sound?.samples);
  at("unplayable").textContent = why;
  at("of-waveform").hidden = at("of-spectrogram").hidden = !sound?.samples;
  at("of-attention").hidden = !answer.attention;
  makeLanes();
  at("pictures").hidden = at("axis").hidden = at("readout").hidden = !sound?.samples && !answer.attention && !shown.windows.length;
  at("pictures").setAttribute("aria-valuemin", "0");
  at("pictures").setAttribute("aria-valuemax", seconds.toFixed(2));
  at("known").open = false;
  draw();
  lookAt(0);
  at("result").focus({ preventScroll: true });
  at("result").scrollIntoView({ block: "nearest" });
}

// What is written large, and beside it in small letters: of a recording the classes of its events, longest first.
function headline({ events, is_recording: isRecording }, best, flags) {
  if (flags.includes("silent") || !best) return ["Silence", ""];
  const perhaps = flags.length ? "Perhaps " : "";
  if (!isRecording) return [perhaps + best.label, ` ${percent(best.probability)}`];
  const lengths = new Map();
  for (const { label, start_seconds: start, end_seconds: end } of events ?? []) lengths.set(label, (lengths.get(label) ?? 0) + end - start);
  const labels = [...lengths.keys()].sort((one, other) => lengths.get(other) - lengths.get(one));
  if (!labels.length) return ["No class for certain", ""];
  return [perhaps + labels.slice(0, 3).join(", "), labels.length > 3 ? ` and ${labels.length - 3} more, the longest heard first` : ""];
}

function showBars(predictions, isRecording) {
  at("bars-title").textContent = isRecording ? "Probability of each class, on average" : "Probability of each class";
  const bars = predictions.map(({ label, probability }) => {
    const item = element("li"), bar = element("i", undefined, { "aria-hidden": "true" });
    bar.style.setProperty("--share", `${100 * probability}%`);
    item.append(element("b", label), element("span", percent(probability)), bar);
    return item;
  });
  at("bars").replaceChildren(...bars.slice(0, SHOWN));
  at("more-bars").replaceChildren(...bars.slice(SHOWN));
  at("more").hidden = bars.length <= SHOWN;
  at("more").firstElementChild.textContent = `${bars.length - SHOWN} more classes`;
}

function showEvents({ events }) {
  at("of-events").hidden = !events;
  const items = (events ?? []).map((event) => {
    const button = element("button", undefined, { type: "button", title: "play from here" });
    button.append(element("span", stretch(event.start_seconds, event.end_seconds)), element("b", event.label), element("span", percent(event.probability)));
    button.addEventListener("click", () => { moveTo(event.start_seconds); play(); });
    const item = element("li");
    item.append(button);
    return item;
  });
  at("events").replaceChildren(...(items.length ? items : [element("p", "No class is probable enough at any time.", { class: "soft" })]));
  at("events-title").textContent = items.length ? "Events, played by a click" : "Events";
}

// Lanes of the classes that are most probable in any window.
function makeLanes() {
  const nothing = about.classes.map(() => 0); // what silent windows say
  const rows = (shown.answer.window_probabilities ?? []).map((row, index) => (shown.windows[index].flags?.includes("silent") ? nothing : row));
  at("of-lanes").hidden = !rows.length;
  const most = about.classes.map((name, index) => ({ name, values: rows.map((row) => row[index]) }));
  for (const lane of most) lane.most = lane.values.reduce((one, other) => Math.max(one, other), 0);
  shown.lanes = most.sort((one, other) => other.most - one.most).slice(0, SHOWN).filter(({ most }, place) => place < 2 || most >= 0.1);
  at("lanes").replaceChildren(...(rows.length ? shown.lanes : []).flatMap(({ name }) => [element("span", name), element("canvas")]));
}

function draw() {
  if (!shown || at("result").hidden || at("pictures").hidden) return;
  const { sound, answer, windows, seconds } = shown;
  if (sound?.samples) {
    drawWaveform(at("waveform"), sound.samples);
    drawSpectrogram(at("spectrogram"), sound.samples, sound.rate);
  }
  if (answer.attention) drawCurve(at("attention"), answer.attention);
  [...at("lanes").querySelectorAll("canvas")].forEach((canvas, place) =>
    drawLane(canvas, windows, shown.lanes[place].values, seconds));
  drawAxis(at("axis"), seconds);
}

// ---- places in the sound

// What the answer says at a moment, in a line.
function lookAt(seconds, pointed = false) {
  if (!shown) return;
  const { answer, windows } = shown, parts = [];
  let nearest = -1;
  windows.forEach((window, index) => {
    const off = (one) => Math.abs((one.start_seconds + one.end_seconds) / 2 - seconds);
    if (nearest < 0 || off(window) < off(windows[nearest])) nearest = index;
  });
  const row = nearest >= 0 ? answer.window_probabilities?.[nearest] : null;
  if (row) {
    const order = row.map((share, index) => [share, about.classes[index]]).sort((one, other) => other[0] - one[0]);
    const said = order.filter(([share], place) => place < 3 && (place === 0 || share >= 0.05)).map(([share, name]) => `${name} ${percent(share)}`);
    const flags = windows[nearest].flags ?? [];
    parts.push(`${stretch(windows[nearest].start_seconds, windows[nearest].end_seconds)}: ${[...flags, ...(flags.includes("silent") ? [] : said)].join(", ")}`);
  } else parts.push(clock(seconds, 2));
  const looked = answer.attention?.[Math.min(answer.attention.length - 1, Math.floor((seconds / shown.seconds) * answer.attention.length))];
  if (looked !== undefined && looked !== null) parts.push(`looked at ${looked.toFixed(1)} times as much as if even`);
  const text = parts.join("; ");
  if (at("readout").textContent !== text) at("readout").textContent = text;
  at("pictures").setAttribute("aria-valuenow", seconds.toFixed(2));
  at("pictures").setAttribute("aria-valuetext", text);
  place(pointed ? "pointer" : "playhead", seconds);
}

function place(id, seconds) {
  at(id).hidden = id === "playhead" && !seconds;
  at(id).style.left = `${(100 * Math.min(seconds, shown.seconds)) / shown.seconds}%`;
}

function moveTo(seconds) {
  const within = Math.max(0, Math.min(shown.seconds, seconds));
  shown.place = within;
  if (shown.sound) at("player").currentTime = within;
  lookAt(within);
}

function play() {
  at("player").play().catch(() => {}); // stopped before it began: nothing is wrong
}

function pointedAt(event) {
  const { left, width } = at("pictures").getBoundingClientRect();
  return Math.max(0, Math.min(1, (event.clientX - left) / width)) * shown.seconds;
}

function follow() {
  if (!shown) return;
  shown.place = at("player").currentTime;
  lookAt(shown.place);
  if (!at("player").paused) requestAnimationFrame(follow);
}

at("pictures").addEventListener("pointermove", (event) => lookAt(pointedAt(event), true));
at("pictures").addEventListener("pointerleave", () => { at("pointer").hidden = true; if (shown) lookAt(shown.place ?? 0); });
at("pictures").addEventListener("click", (event) => moveTo(pointedAt(event)));
at("pictures").addEventListener("keydown", (event) => {
  const { windows, seconds } = shown, place = shown.place ?? 0;
  const step = windows.length > 1 ? windows[1].start_seconds - windows[0].start_seconds : seconds / 50;
  const to = { ArrowRight: place + step, ArrowUp: place + step, ArrowLeft: place - step, ArrowDown: place - step, Home: 0, End: seconds,
    PageUp: place + 10 * step, PageDown: place - 10 * step }[event.key];
  if (to !== undefined) moveTo(to);
  else if (event.key !== "Enter" && event.key !== " ") return;
  else if (shown.sound) at("player").paused ? play() : at("player").pause();
  event.preventDefault();
});
at("player").addEventListener("play", follow);
at("player").addEventListener("seeked", follow);

// ---- giving a sound

at("file").addEventListener("change", () => { hear(at("file").files[0], at("file").files.length); at("file").value = ""; });
addEventListener("dragover", (event) => { event.preventDefault(); at("drop").classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("drop").classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const { files } = event.dataTransfer;
  if (files.length) hear(files[0], files.length);
});
at("record").addEventListener("click", async () => {
  if (recording) return recording.stop();
  say("", "");
  try {
    recording = await startRecording();
  } catch (error) {
    return say("problem", `No recording: ${error.name === "NotAllowedError" ? "the browser was not allowed to use the microphone" : error.message}.`);
  }
  at("record").setAttribute("aria-pressed", "true");
  at("level").hidden = false;
  const began = performance.now();
  const show = () => {
    if (!recording) return;
    at("record").textContent = `Stop, ${clock((performance.now() - began) / 1000, 0)}`;
    drawWaveform(at("level"), recording.level());
    requestAnimationFrame(show);
  };
  show();
  const file = await recording.done.catch((error) => say("problem", `No recording: ${error.message}.`));
  recording = null;
  at("record").setAttribute("aria-pressed", "false");
  at("record").textContent = "Record";
  at("level").hidden = true;
  if (file) hear(file);
});

let waiting = 0;
new ResizeObserver(() => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(draw); }).observe(at("drop"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

engine.about().then((told) => {
  about = told;
  const rate = `${told.sample_rate / 1000} kHz`;
  at("model").textContent = `Answered by ${told.name}: ${told.classes.length} classes, heard in pieces of ${Number(told.crop_seconds.toFixed(2))} s at ${rate}`;
  at("known-title").textContent = `The ${told.classes.length} classes that it knows; to any other sound it has no right answer`;
  at("classes").replaceChildren(...told.classes.map((name) => element("li", name)));
  at("promise").textContent = told.promise;
}).catch((error) => say("problem", error.message));
