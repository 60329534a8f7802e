// What is seen and pressed.

const MOST_BYTES = 100e6;
const part = id => document.getElementById(id);
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });
const percent = value => `${(100 * value).toFixed(1)}%`;

const show = (answer, bytes) => {
  part("answer").hidden = false;
  part("file").textContent = answer.duration_seconds === null
    ? answer.file : `${answer.file}, ${answer.duration_seconds.toFixed(1)} s`;
  part("flags").textContent = answer.error ?? answer.flags.join(", ");
  URL.revokeObjectURL(part("player").src);
  part("player").src = URL.createObjectURL(new Blob([bytes]));
  part("player").hidden = answer.error !== null;
  part("bars").replaceChildren(...answer.predictions.map(({ label, probability }) => {
    const meter = Object.assign(document.createElement("meter"), { value: probability });
    meter.setAttribute("aria-label", label);
    const line = document.createElement("li");
    line.append(element("span", label), meter, element("span", percent(probability)));
    return line;
  }));
  part("timeline").hidden = answer.windows === null;
  part("windows").replaceChildren(...(answer.windows ?? []).map(window => {
    const row = document.createElement("tr");
    row.append(element("td", `${window.start_seconds.toFixed(1)} to ${window.end_seconds.toFixed(1)}`),
      element("td", window.label), element("td", percent(window.probability)), element("td", window.flags.join(", ")));
    return row;
  }));
  part("notes").replaceChildren(...answer.notes.map(note => element("li", note)));
};

let busy = false;
const hear = async (file, name) => {
  if (busy) return;
  busy = true;
  try {
    if (file.size > MOST_BYTES) throw new Error(`the file has ${Math.round(file.size / 1e6)} MB; this page takes 100 MB, audio-cls predict any size`);
    part("state").textContent = "Listening";
    await opened;
    const bytes = new Uint8Array(await file.arrayBuffer());
    const answer = await answerOf(bytes, name, share => { part("state").textContent = `Listening, ${Math.round(100 * share)}%`; });
    show(answer, bytes);
    part("answer").dataset.answer = JSON.stringify(answer);
    part("state").textContent = "Ready";
  } catch (error) {
    part("state").textContent = `It did not work: ${error.message}`;
  } finally {
    busy = false;
  }
};

let recorder = null;
const record = async () => {
  if (recorder) return recorder.stop();
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    const chunks = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = event => chunks.push(event.data);
    recorder.onstop = () => {
      stream.getTracks().forEach(track => track.stop());
      recorder = null;
      part("record").textContent = "Record";
      hear(new Blob(chunks), "recording");
    };
    recorder.start();
    part("record").textContent = "Stop";
    part("state").textContent = "Recording";
  } catch (error) {
    part("state").textContent = `No microphone: ${error.message}`;
  }
};

addEventListener("dragover", event => { event.preventDefault(); part("drop").classList.add("over"); });
addEventListener("dragleave", () => part("drop").classList.remove("over"));
addEventListener("drop", event => {
  event.preventDefault();
  part("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) hear(file, file.name);
});
part("choose").addEventListener("change", event => {
  const [file] = event.target.files;
  if (file) hear(file, file.name);
  event.target.value = "";
});
part("record").addEventListener("click", record);
part("model").textContent = `${about.name}: ${about.classes.length} classes, hears ${about.crop_samples / about.sample_rate} s at once`;
part("licence").textContent = about.licence;
if (about.unsure_below > 0) part("unsure").textContent = `; unsure (the top probability is below ${percent(about.unsure_below)})`;
opened.then(() => { part("state").textContent = "Ready"; }, error => {
  part("state").textContent = `The model cannot run in this browser: ${error.message}`;
});
