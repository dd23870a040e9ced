// A file of articles: sent, answered row by row, counted and downloaded.

import { call, Refusal, showProblem } from "./api.js";
import { readCsv } from "./csv.js";
import { $, element, NAMES, number, straight } from "./dom.js";
import { addRow, allowSorting, emptyTable, labelsAsCsv, paintTable, startTable } from "./table.js";

const REASONS = { out_of_distribution: "unlike the training articles", uncertain: "uncertain" };
const MOST_REASONS = 6;
const FORMULA = /^'(?=[=+\-@\t\r\n＝＋－＠])/; // the service's guard against spreadsheet formulas
const REFUSED = [400, 413, 415, 422];
const PACKED = /\.(gz|bz2|zip)$/i;

let running = new AbortController();
let pieces = [];
let counts = {};
let reasons = new Map(); // how often, by kind and reason
let total = 0;
let read = 0;
let painting = false;

export function startFile() {
  $("file").addEventListener("change", () => {
    const [file] = $("file").files;
    if (file) check(file);
    $("file").value = ""; // so that the same file can be chosen again
  });
  startDropping();
  $("cancel").addEventListener("click", () => running.abort());
  startTable();
}

function startDropping() {
  const holdsFile = (event) => event.dataTransfer?.types.includes("Files");
  // A file that misses the field would replace this page.
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => holdsFile(event) && event.preventDefault());
  }
  const over = (event, inside) => $("drop").classList.toggle("over", inside && holdsFile(event));
  $("drop").addEventListener("dragover", (event) => over(event, true));
  $("drop").addEventListener("dragleave", (event) => over(event, false));
  $("drop").addEventListener("drop", (event) => {
    over(event, false);
    const [file] = event.dataTransfer.files;
    if (file) check(file);
  });
}

async function check(file) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const fileName = straight(file.name);
  reset();
  $("file-status").textContent = `Sending ${fileName} …`;
  const body = new FormData();
  body.append("file", file);
  const onWait = (seconds) => {
    $("file-status").textContent = seconds
      ? `The service is busy. Trying again in ${seconds} s …`
      : `Sending ${fileName} …`;
  };
  try {
    const response = await call("predict_csv", { body, signal, onWait });
    total = Number(response.headers.get("X-Rows")) || 0;
    const readAs = response.headers.get("X-Read-As");
    $("file-status").textContent = `Checking ${fileName} …`;
    $("answers").hidden = false;
    for await (const found of readCsv(response, (piece) => pieces.push(piece))) {
      // A newer file may have taken over while this piece was on its way.
      if (signal.aborted && running.signal !== signal) return;
      found.forEach(take);
      later();
    }
    if (total && read < total) throw new Refusal("The service stopped before the last row.");
    const rows = `${number(read)} ${read === 1 ? "row" : "rows"}`;
    finish(fileName, `Done: ${rows} of ${fileName}${readAs ? `, read as ${readAs}` : ""}.`, true);
  } catch (error) {
    if (running.signal !== signal) return;
    const part = read ? ` after ${number(read)} of ${number(total)} rows` : "";
    finish(fileName, signal.aborted ? `Cancelled${part}.` : `Not finished${part}.`, false);
    // A file that was refused would be refused again.
    const again = REFUSED.includes(error.status) ? null : () => check(file);
    if (!signal.aborted) showProblem($("file-problem"), error, again);
  }
}

function reset() {
  [pieces, counts, reasons, total, read] = [[], { fake: 0, unsure: 0, real: 0, error: 0 }, new Map(), 0, 0];
  // A cancelled upload ends; labels of the rows that came may follow.
  emptyTable(new AbortController().signal);
  $("answers").hidden = $("file-problem").hidden = $("download-labels").hidden = true;
  $("run").hidden = $("cancel").hidden = $("progress").hidden = false;
  $("progress").removeAttribute("value"); // unknown until the service has counted the rows
  $("progress-text").textContent = $("download-name").textContent = "";
  allow(false);
  paint();
}

function finish(fileName, message, whole) {
  $("file-status").textContent = message;
  $("cancel").hidden = $("progress").hidden = true;
  $("progress-text").textContent = "";
  $("answers").hidden = !read;
  const name = `answers-${fileName.replace(PACKED, "").replace(/\.[a-z]+$/i, "")}.csv`;
  $("download-name").textContent = whole ? name : `${name} – only the rows that came`;
  $("download").onclick = () => save(pieces, name);
  $("download-labels").onclick = () => save([labelsAsCsv()], name.replace("answers-", "labels-"));
  allow(true);
  paint();
}

function allow(possible) {
  $("download").disabled = !possible;
  allowSorting(possible);
}

function take(answer) {
  const kind = answer.error || !(answer.verdict in NAMES) ? "error" : answer.verdict;
  const reason = answer.error || REASONS[answer.abstain_reason] || "";
  counts[kind]++;
  read++;
  if (reason) {
    // Faults name their line, which makes each a reason of its own.
    const same = `${NAMES[kind]}: ${reason.replace(/^line [\d,]+: /, "")}`;
    reasons.set(same, (reasons.get(same) ?? 0) + 1);
  }
  addRow({
    row: Number(answer.row),
    title: answer.title.replace(FORMULA, ""),
    kind,
    probability: answer.probability ? Number(answer.probability) : null,
    reason,
    truncated: answer.truncated === "1",
    requestId: answer.request_id,
  });
}

/** Paint once per frame, however many pieces arrive in it. */
function later() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    paint();
  });
}

function paint() {
  if (total && !$("progress").hidden) {
    $("progress").max = total;
    $("progress").value = read;
    $("progress-text").textContent = `${number(read)} of ${number(total)} rows`;
  }
  for (const [kind, amount] of Object.entries(counts)) $(`count-${kind}`).textContent = number(amount);
  const often = [...reasons].sort(([, a], [, b]) => b - a);
  const lines = often.slice(0, MOST_REASONS).map(([reason, amount]) => `${reason}, ${number(amount)}`);
  if (often.length > MOST_REASONS) lines.push(`${number(often.length - MOST_REASONS)} more reasons`);
  $("reasons").replaceChildren(...lines.map((words) => element("li", "", words)));
  $("reasons").hidden = !lines.length;
  paintTable();
}

function save(parts, name) {
  const link = document.createElement("a");
  const url = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it after this function; a minute is plenty.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
