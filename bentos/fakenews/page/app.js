// The page: which model answers, and what both forms need to know of it.

import { startArticle } from "./article.js";
import { callJson, hasKey, showProblem } from "./api.js";
import { startFile } from "./file.js";

const $ = (id) => document.getElementById(id);
const NO_MODEL = new Error(
  "No model has been selected yet. “make demo” makes one, and the service takes it over by itself.",
);
let current = null;

/**
 * The model that gave an answer, as far as the service still describes it.
 * @returns {Promise<object | null>} null where it cannot be had
 */
async function modelOf(modelId) {
  // A new champion may have taken over since the page was opened.
  if (current?.model_id !== modelId) await load();
  return current?.model_id === modelId ? current : null;
}

async function load() {
  $("model-status").textContent = "Asking which model answers …";
  $("model-problem").hidden = true;
  try {
    current = await callJson("model");
    show(current);
  } catch (error) {
    current = null;
    $("model").hidden = true;
    $("note").hidden = true;
    showProblem($("model-problem"), error.code === "no_model" ? NO_MODEL : error, load);
  } finally {
    $("model-status").textContent = "";
  }
}

function show(model) {
  $("note").textContent = `About this model: ${model.note}`;
  $("score-note").textContent = model.note;
  $("note").hidden = $("score-note").hidden = !model.note;
  $("text-help").textContent = model.reads_text
    ? ""
    : "The current model reads headlines only: it takes the article, but it makes no difference.";
  $("facts").replaceChildren(...facts(model));
  $("card").textContent = model.model_card;
  $("card-page").hidden = hasKey(); // a link cannot send the key
  $("model").hidden = false;
}

function facts(model) {
  const { rows, macro_f1: f1, accuracy } = model.evaluation;
  const [low, high] = model.abstain_between;
  const scores = [];
  if (typeof f1 === "number") scores.push(`macro-F1 ${f1.toFixed(3)}`);
  if (typeof accuracy === "number") scores.push(`accuracy ${(100 * accuracy).toFixed(1)}%`);
  const lines = [
    ["Model", `${model.candidate} (${model.model_id.slice(0, 12)})`],
    ["Reads", model.reads_text ? "headline and article" : "headline only"],
    ["Scores", scores.length ? `${scores.join(", ")} on ${rows.toLocaleString("en")} test articles` : ""],
    ["Answers", low < high ? "real, fake, or not sure" : "always real or fake, never “not sure”"],
    ["In use since", model.promoted_at ? day(model.promoted_at) : ""],
  ];
  return lines
    .filter(([, value]) => value)
    .map(([name, value]) => {
      const pair = document.createElement("div");
      const term = document.createElement("dt");
      const description = document.createElement("dd");
      term.textContent = name;
      description.textContent = value;
      pair.append(term, description);
      return pair;
    });
}

function day(moment) {
  return new Date(moment).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });
}

startArticle(modelOf);
startFile();
await load();
