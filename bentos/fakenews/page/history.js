// What was checked and labelled in this browser. The service never hears of these lists.

import { permalink } from "./answer.js";
import { $, element, moment, NAMES } from "./dom.js";

const STORE = "fakenews-history";
const MOST = 50;
const MOST_LABELS = 1000;

let kept = { on: true, checks: [], labels: [] };
let labels = new Map(); // also those that are not to be remembered: while the page is open

export function startHistory() {
  kept = { ...kept, ...read() };
  labels = new Map(kept.labels);
  $("remember").checked = kept.on;
  $("remember").addEventListener("change", () => {
    kept.on = $("remember").checked;
    write();
    show();
  });
  $("forget").addEventListener("click", () => {
    kept.checks = kept.labels = [];
    labels = new Map();
    write();
    show();
    $("history-status").textContent = "The history is empty now.";
  });
  // Another tab may have added to it.
  addEventListener("storage", (event) => {
    if (event.key !== STORE) return;
    kept = { on: true, checks: [], labels: [], ...read() };
    labels = new Map(kept.labels);
    $("remember").checked = kept.on;
    show();
  });
  show();
}

export function remember({ request_id: id, verdict }, title) {
  if (!kept.on) return;
  kept.checks = [{ id, verdict, title, time: new Date().toISOString() }, ...kept.checks].slice(0, MOST);
  write();
  show();
}

/** The label that was given in this browser to a row of an answer: 0, 1 or null. */
export function labelOf(requestId, row) {
  return labels.get(`${requestId} ${row}`) ?? null;
}

/** @param {0 | 1 | null} label null takes the one before back */
export function rememberLabel(requestId, row, label) {
  const key = `${requestId} ${row}`;
  labels.delete(key);
  if (label !== null) labels.set(key, label);
  if (!kept.on) return;
  kept.labels = [...labels].slice(-MOST_LABELS);
  write();
  show();
}

function show() {
  $("history-status").textContent = "";
  $("history").replaceChildren(...kept.checks.map(line));
  $("forget").hidden = !kept.checks.length && !kept.labels.length;
  $("history-empty").hidden = kept.checks.length > 0;
}

function line({ id, verdict, title, time }) {
  const link = element("a", "", title);
  link.href = permalink(id, 1);
  link.dir = "auto";
  const badge = element("span", `badge ${verdict}`, NAMES[verdict] ?? "");
  return element("li", "", link, element("span", "quiet", badge, ` · ${moment(time)}`));
}

// A browser may forbid storage; the history then lives as long as the page.
function read() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    return {};
  }
}

function write() {
  try {
    localStorage.setItem(STORE, JSON.stringify(kept));
  } catch {
    // see above
  }
}
