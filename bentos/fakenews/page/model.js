// Which model answers, and what it knows.

import { callJson, hasKey, showProblem } from "./api.js";
import { $, day, element, number } from "./dom.js";

const NO_MODEL = new Error(
  "No model has been selected yet. “make demo” makes one, or “fakenews demo” where the graph runs, and the service takes it over by itself.",
);
const MOST_BATCHES = 3;
const MOST_SOURCES = 3;
let current = null;
let onChange = () => {};

/** @param {(model: object) => void} listener hears of each model that the page gets to know */
export function onModel(listener) {
  onChange = listener;
}

/**
 * The model that gave an answer, as far as the service still describes it.
 * @returns {Promise<object | null>} null where it cannot be had
 */
export async function modelOf(modelId) {
  // A new champion may have taken over since the page was opened.
  if (current?.model_id !== modelId) await loadModel();
  return current?.model_id === modelId ? current : null;
}

export async function loadModel() {
  $("model-status").textContent = "Asking which model answers …";
  $("model-problem").hidden = true;
  try {
    current = await callJson("model");
    show(current);
    onChange(current);
  } catch (error) {
    current = null;
    $("model").hidden = true;
    $("note").hidden = true;
    showProblem($("model-problem"), error.code === "no_model" ? NO_MODEL : error, loadModel);
  } finally {
    $("model-status").textContent = "";
  }
}

function show(model) {
  $("note").textContent = `About this model: ${model.note}`;
  $("score-note").textContent = model.note;
  $("note").hidden = $("score-note").hidden = !model.note;
  $("text-field").hidden = $("keys").hidden = !model.reads_text;
  $("knows").textContent = known(model.trained_on);
  $("facts").replaceChildren(...facts(model));
  $("card").textContent = model.model_card;
  $("card-page").hidden = hasKey(); // a link cannot send the key
  $("model").hidden = false;
}

/** One sentence on what it has learnt from: who expects more of it is told before the first answer. */
function known({ real, fake, first, last, batches, sources, sources_known: publishers }) {
  const parts = [`The model has learnt from ${number(real + fake)} articles`];
  if (publishers) parts.push(`by ${number(publishers)} publishers, ${named(sources, publishers, MOST_SOURCES)}`);
  if (first && last) parts.push(`published ${day(first)} to ${day(last)}`);
  const origins = batches.map((batch) => `“${batch.name}”${generated(batch) ? ", which is generated" : ""}`);
  parts.push(`in ${batches.length === 1 ? "the batch" : "the batches"} ${named(origins, batches.length, MOST_BATCHES)}`);
  return `${parts.join(", ")}. Articles of other kinds, publishers or times are new to it: expect “Not sure”, or an answer that means little.`;
}

function generated({ origin }) {
  return origin.startsWith("sample:");
}

/** The first of many names, and how many more there are. */
function named(names, all, most) {
  const shown = names.slice(0, most);
  return all > shown.length ? `such as ${shown.join(", ")}` : shown.join(", ");
}

function facts(model) {
  const { rows, macro_f1: f1, accuracy } = model.evaluation;
  const [low, high] = model.abstain_between;
  const { real, fake } = model.trained_on;
  const scores = [];
  if (typeof f1 === "number") scores.push(`macro-F1 ${f1.toFixed(3)}`);
  if (typeof accuracy === "number") scores.push(`accuracy ${(100 * accuracy).toFixed(1)}%`);
  const lines = [
    ["Model", `${model.candidate} (${model.model_id.slice(0, 12)})`],
    ["Reads", model.reads_text ? "headline and article" : "headline only"],
    ["Trained on", `${number(real)} real and ${number(fake)} fake articles`],
    ["Scores", scores.length ? `${scores.join(", ")} on ${number(rows)} test articles` : ""],
    ["Answers", low < high ? "real, fake, or not sure" : "always real or fake, never “not sure”"],
    ["In use since", model.promoted_at ? day(model.promoted_at) : ""],
    ["Keeps of what you send", model.log_content === "text" ? "headline, article and answer" : "a hash and the answer"],
  ];
  return lines
    .filter(([, value]) => value)
    .map(([name, value]) => element("div", "", element("dt", "", name), element("dd", "", value)));
}
