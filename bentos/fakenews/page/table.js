// The table of a file's answers: pages, sorting, one kind of answer alone, and the details of a row.

import { permalink } from "./answer.js";
import { $, button, element, NAMES, number, percent } from "./dom.js";
import { feedbackBox } from "./feedback.js";
import { labelOf } from "./history.js";

const PAGE = 200; // rows in the document at a time: what a phone lays out without a pause
const ORDER = Object.keys(NAMES);
const compare = new Intl.Collator("en", { numeric: true }).compare;

let rows = [];
let view = []; // those that are shown, in their order
let page = 0;
let painted = []; // the rows in the document
let sorting = { by: "row", down: false };
let only = null; // the kind that is shown alone
let signal = null; // ends the requests of these rows

export function startTable() {
  for (const heading of document.querySelectorAll("[data-sort]")) {
    heading.addEventListener("click", () => {
      // Probabilities are asked for the most suspicious first.
      const by = heading.dataset.sort;
      sorting = { by, down: by === sorting.by ? !sorting.down : by === "probability" };
      arrange();
    });
  }
  for (const count of document.querySelectorAll("[data-only]")) {
    count.addEventListener("click", () => {
      only = only === count.dataset.only ? null : count.dataset.only;
      arrange();
    });
  }
  const turn = { first: () => 0, previous: () => page - 1, next: () => page + 1, last: () => pages() - 1 };
  for (const [id, target] of Object.entries(turn)) {
    $(id).addEventListener("click", () => {
      page = Math.min(Math.max(target(), 0), pages() - 1);
      paintTable();
      $("scroller").scrollTop = 0;
    });
  }
}

export function emptyTable(ending) {
  [rows, view, page, sorting, only, signal] = [[], [], 0, { by: "row", down: false }, null, ending];
  $("rows").replaceChildren();
  painted = [];
}

/** @param {{row: number, title: string, kind: string, probability: number | null, reason: string, truncated: boolean, requestId: string}} row */
export function addRow(row) {
  rows.push(row);
  view.push(row);
}

/** Sorting waits for the last row: what moves under the pointer helps nobody. */
export function allowSorting(possible) {
  for (const one of document.querySelectorAll("[data-sort], [data-only]")) one.disabled = !possible;
}

export function paintTable() {
  const first = page * PAGE;
  const shown = view.slice(first, first + PAGE);
  // While rows arrive most frames change nothing on a full page.
  if (shown.length !== painted.length || shown.some((row, at) => row !== painted[at])) {
    $("rows").replaceChildren(...shown.map(line));
    painted = shown;
  }
  for (const heading of document.querySelectorAll("[data-sort]")) {
    const cell = heading.closest("th");
    if (heading.dataset.sort !== sorting.by) cell.removeAttribute("aria-sort");
    else cell.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
  }
  for (const count of document.querySelectorAll("[data-only]")) {
    count.setAttribute("aria-pressed", String(count.dataset.only === only));
  }
  $("pager").hidden = view.length <= PAGE;
  $("page-status").textContent = `${number(first + 1)}–${number(first + shown.length)} of ${number(view.length)}`;
  for (const id of ["first", "previous"]) $(id).setAttribute("aria-disabled", String(page === 0));
  for (const id of ["next", "last"]) $(id).setAttribute("aria-disabled", String(page >= pages() - 1));
}

const WAYS = {
  row: () => 0,
  title: (a, b) => compare(a.title, b.title),
  verdict: (a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || compare(a.reason, b.reason),
  probability: (a, b) => a.probability - b.probability,
};

function arrange() {
  const { by, down } = sorting;
  const sign = down ? -1 : 1;
  view = rows.filter((row) => !only || row.kind === only);
  view.sort((a, b) => {
    // Rows without an answer stay at the end, whichever way probabilities run.
    if (by === "probability" && (a.probability === null) !== (b.probability === null)) {
      return a.probability === null ? 1 : -1;
    }
    return sign * WAYS[by](a, b) || (by === "row" ? sign : 1) * (a.row - b.row);
  });
  page = 0;
  paintTable();
}

function line(row) {
  const title = element("td", "title", row.title);
  title.dir = "auto";
  const verdict = element("td", "verdict", element("span", `badge ${row.kind}`, NAMES[row.kind]));
  if (row.reason) verdict.append(element("span", "reason quiet", row.reason));
  if (row.truncated) verdict.append(element("span", "reason quiet", "only its beginning was read"));
  const probability = element("td", "number", row.probability === null ? "" : percent(row.probability));
  const more = element("td", "more");
  const made = element("tr", "", element("td", "number", number(row.row)), title, verdict, probability, more);
  made.setAttribute("role", "row");
  for (const cell of made.cells) cell.setAttribute("role", "cell");
  if (row.kind !== "error") {
    const label = element("span", "given quiet");
    const showLabel = () => {
      const given = labelOf(row.requestId, row.row);
      label.textContent = given === null ? "" : `you: ${given ? "fake" : "real"}`;
      $("download-labels").hidden = !labelled().length;
    };
    more.append(disclosure(row, made, showLabel), label);
    showLabel();
  }
  return made;
}

function labelled() {
  return rows.filter((row) => labelOf(row.requestId, row.row) !== null);
}

/** The labels of this file's rows as CSV, which `row` joins with the answers. */
export function labelsAsCsv() {
  const lines = labelled().map(({ row, requestId }) => `${row},${labelOf(requestId, row)},${requestId}`);
  return ["row,true_label,request_id", ...lines, ""].join("\r\n");
}

/** What the log knows of a row, and a person too. */
function disclosure(row, above, onLabel) {
  let details = null;
  const toggle = button("Details", () => {
    if (details) details.remove();
    else above.after((details = detailsOf(row, onLabel)));
    if (!details.isConnected) details = null;
    toggle.setAttribute("aria-expanded", String(details !== null));
  });
  toggle.setAttribute("aria-expanded", "false");
  toggle.setAttribute("aria-label", `Details of row ${row.row}`);
  return toggle;
}

function detailsOf({ row, requestId }, onLabel) {
  const link = element("a", "", "Open this answer alone");
  link.href = permalink(requestId, row);
  const audit = element("code", "", `fakenews audit ${requestId} --row ${row}`);
  const cell = element("td", "", element("p", "", link), element("p", "quiet", "To audit it: ", audit), feedbackBox(requestId, row, signal, onLabel));
  cell.colSpan = 5;
  cell.setAttribute("role", "cell");
  const made = element("tr", "details", cell);
  made.setAttribute("role", "row");
  return made;
}

function pages() {
  return Math.max(1, Math.ceil(view.length / PAGE));
}
