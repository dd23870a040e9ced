// A file of articles: sent, answered row by row, shown, sorted and downloaded.

import { call, readCsv, Refusal, showProblem } from "./api.js";
import { percent } from "./article.js";

const PAGE = 200; // rows in the document at a time: what a phone lays out without a pause
const NAMES = { fake: "Fake", unsure: "Not sure", real: "Real", error: "Not judged" };
const REASONS = { out_of_distribution: "unlike what the model has learnt from" };
const ORDER = ["fake", "unsure", "real", "error"];
const FORMULA = /^'(?=[=+\-@\t\r\n＝＋－＠])/; // the service's guard against spreadsheet formulas

const PACKED = /\.(gz|bz2|zip)$/i;

const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const compare = new Intl.Collator("en", { numeric: true }).compare;

let running = new AbortController();
let rows = [];
let view = []; // the same rows as sorted
let pieces = [];
let counts = {};
let total = 0;
let page = 0;
let painted = []; // the rows in the document
let painting = false;
let sorting = { by: "row", down: false };

export function startFile() {
  $("file").addEventListener("change", () => {
    const [file] = $("file").files;
    if (file) check(file);
    $("file").value = ""; // so that the same file can be chosen again
  });
  startDropping();
  $("cancel").addEventListener("click", () => running.abort());
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => sort(button.dataset.sort));
  }
  const turn = { first: () => 0, previous: () => page - 1, next: () => page + 1, last: () => pages() - 1 };
  for (const [id, target] of Object.entries(turn)) {
    $(id).addEventListener("click", () => {
      page = Math.min(Math.max(target(), 0), pages() - 1);
      paint();
      $("scroller").scrollTop = 0;
    });
  }
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
  reset();
  $("file-status").textContent = `Sending ${file.name} …`;
  const body = new FormData();
  body.append("file", file);
  const onWait = (seconds) => {
    $("file-status").textContent = seconds
      ? `The service is busy. Trying again in ${seconds} s …`
      : `Sending ${file.name} …`;
  };
  try {
    const response = await call("predict_csv", { body, signal, onWait });
    total = Number(response.headers.get("X-Rows")) || 0;
    $("file-status").textContent = `Checking ${file.name} …`;
    $("answers").hidden = false;
    for await (const found of readCsv(response, (piece) => pieces.push(piece))) {
      // A newer file may have taken over while this piece was on its way.
      if (signal.aborted && running.signal !== signal) return;
      found.forEach(take);
      later();
    }
    if (total && rows.length < total) throw new Refusal("The service stopped before the last row.");
    finish(file, `Done: ${number(rows.length)} ${rows.length === 1 ? "row" : "rows"} of ${file.name}.`, true);
  } catch (error) {
    if (running.signal !== signal) return;
    const part = rows.length ? ` after ${number(rows.length)} of ${number(total)} rows` : "";
    finish(file, signal.aborted ? `Cancelled${part}.` : `Not finished${part}.`, false);
    if (!signal.aborted) showProblem($("file-problem"), error, () => check(file));
  }
}

function reset() {
  [rows, view, pieces, counts, total, page] = [[], [], [], { fake: 0, unsure: 0, real: 0, error: 0 }, 0, 0];
  sorting = { by: "row", down: false };
  $("answers").hidden = $("file-problem").hidden = true;
  $("run").hidden = $("cancel").hidden = $("progress").hidden = false;
  $("progress").removeAttribute("value"); // unknown until the service has counted the rows
  $("progress-text").textContent = $("download-name").textContent = "";
  allow(false);
  paint();
}

function finish(file, message, whole) {
  $("file-status").textContent = message;
  $("cancel").hidden = $("progress").hidden = true;
  $("progress-text").textContent = "";
  $("answers").hidden = !rows.length;
  const name = `answers-${file.name.replace(PACKED, "").replace(/\.[a-z]+$/i, "")}.csv`;
  $("download-name").textContent = whole ? name : `${name} – only the rows that came`;
  $("download").onclick = () => save(name);
  allow(true);
  paint();
}

/** Sorting and downloading wait for the last row: what moves under the pointer helps nobody. */
function allow(possible) {
  $("download").disabled = !possible;
  for (const button of document.querySelectorAll("[data-sort]")) button.disabled = !possible;
}

function take(answer) {
  const kind = answer.error || !(answer.verdict in NAMES) ? "error" : answer.verdict;
  counts[kind]++;
  const row = {
    row: Number(answer.row),
    title: answer.title.replace(FORMULA, ""),
    verdict: kind,
    probability: answer.probability ? Number(answer.probability) : null,
    reason: answer.error || REASONS[answer.abstain_reason] || "",
  };
  rows.push(row);
  view.push(row);
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
    $("progress").value = rows.length;
    $("progress-text").textContent = `${number(rows.length)} of ${number(total)} rows`;
  }
  for (const [kind, amount] of Object.entries(counts)) $(`count-${kind}`).textContent = number(amount);
  const first = page * PAGE;
  const shown = view.slice(first, first + PAGE);
  // While rows arrive most frames change nothing on a full page.
  if (shown.length !== painted.length || shown.some((row, at) => row !== painted[at])) {
    $("rows").replaceChildren(...shown.map(line));
    painted = shown;
  }
  for (const button of document.querySelectorAll("[data-sort]")) {
    const heading = button.closest("th");
    if (button.dataset.sort !== sorting.by) heading.removeAttribute("aria-sort");
    else heading.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
  }
  $("pager").hidden = view.length <= PAGE;
  $("page-status").textContent = `${number(first + 1)}–${number(first + shown.length)} of ${number(view.length)}`;
  for (const id of ["first", "previous"]) $(id).setAttribute("aria-disabled", String(page === 0));
  for (const id of ["next", "last"]) $(id).setAttribute("aria-disabled", String(page >= pages() - 1));
}

function line(row) {
  const element = document.createElement("tr");
  element.setAttribute("role", "row");
  const texts = [number(row.row), row.title, NAMES[row.verdict], row.probability === null ? "" : percent(row.probability)];
  const [position, title, verdict, probability] = texts.map((text) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    cell.setAttribute("role", "cell");
    return cell;
  });
  position.className = probability.className = "number";
  verdict.className = "verdict";
  title.className = "title";
  title.dir = "auto";
  const badge = document.createElement("span");
  badge.className = `badge ${row.verdict}`;
  badge.textContent = NAMES[row.verdict];
  verdict.replaceChildren(badge);
  if (row.reason) {
    const reason = document.createElement("span");
    reason.className = "reason quiet";
    reason.textContent = row.reason;
    verdict.append(reason);
  }
  element.append(position, title, verdict, probability);
  return element;
}

function sort(by) {
  // Probabilities are asked for the most suspicious first.
  const down = by === sorting.by ? !sorting.down : by === "probability";
  sorting = { by, down };
  const sign = down ? -1 : 1;
  const ways = {
    row: () => 0,
    title: (a, b) => compare(a.title, b.title),
    verdict: (a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict),
    probability: (a, b) => a.probability - b.probability,
  };
  view = [...rows].sort((a, b) => {
    // Rows without an answer stay at the end, whichever way probabilities run.
    if (by === "probability" && (a.probability === null) !== (b.probability === null)) {
      return a.probability === null ? 1 : -1;
    }
    return sign * ways[by](a, b) || (by === "row" ? sign : 1) * (a.row - b.row);
  });
  page = 0;
  paint();
}

function save(name) {
  const link = document.createElement("a");
  const url = URL.createObjectURL(new Blob(pieces, { type: "text/csv" }));
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it after this function; a minute is plenty.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function pages() {
  return Math.max(1, Math.ceil(view.length / PAGE));
}
