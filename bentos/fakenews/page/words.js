// The words that moved a probability.

import { callJson, showProblem } from "./api.js";
import { $, element, number, straight } from "./dom.js";

const FAINT = 0.08; // of the strongest word: less is not coloured
const MATTERS = 0.005; // of probability: where no word moves it more, colours would exaggerate

/**
 * Weigh the words of an article.
 * @param {(explanation: object) => void} onOther hears of an answer by another model than `answer`'s
 */
export async function weigh(article, answer, onOther, signal) {
  $("words-problem").hidden = true;
  const onWait = (seconds) => {
    $("words-status").textContent = seconds
      ? `The service is busy. The words follow in ${seconds} s …`
      : "Weighing the words …";
  };
  onWait(0);
  try {
    const explanation = await callJson("explain", { json: article, signal, onWait });
    // Weights belong to the verdict of the model that weighed.
    if (explanation.model_id !== answer.model_id) onOther(explanation);
    if (explanation.probability !== null) show(article, explanation);
  } catch (error) {
    if (signal.aborted) return;
    $("words-status").textContent = "";
    const told = Object.assign(new Error(`The words could not be weighed. ${error.message}`), {
      requestId: error.requestId,
    });
    showProblem($("words-problem"), told, () => weigh(article, answer, onOther, signal));
  }
}

function show(article, { words, words_truncated: truncated }) {
  $("words-status").textContent = "";
  const strongest = Math.max(0, ...words.map((word) => Math.abs(word.weight)));
  const scale = Math.max(strongest, MATTERS);
  for (const field of ["title", "text"]) {
    const own = words.filter((word) => word.field === field);
    // The rest of a long text, which nobody weighed, is left out; a headline stays whole.
    const last = field === "text" && truncated ? own.at(-1)?.end : undefined;
    $(`${field}-words`).replaceChildren(...marked(article[field] ?? "", own, scale, last));
    $(`${field}-words`).hidden = field === "text" && !own.length;
  }
  $("words-truncated").hidden = !truncated;
  $("words-truncated").textContent = `Only the first ${number(words.length)} words were weighed.`;
  list("for-fake", words, 1);
  list("for-real", words, -1);
  if (strongest < MATTERS) {
    $("words-status").textContent = "No single word matters much here: without any one of them the answer stays the same.";
  }
  $("words").hidden = false;
}

/** A text with its words marked. Offsets count code points, JavaScript's own count UTF-16 units. */
function marked(text, words, scale, last) {
  const characters = Array.from(text);
  const parts = [];
  let done = 0;
  for (const word of words) {
    parts.push(straight(characters.slice(done, word.start).join("")));
    parts.push(mark(characters.slice(word.start, word.end).join(""), word, scale));
    done = word.end;
  }
  parts.push(last === undefined ? straight(characters.slice(done).join("")) : " …");
  return parts;
}

function mark(written, { weight }, scale) {
  const strength = Math.abs(weight) / scale;
  const kind = strength < FAINT ? "" : weight > 0 ? "fake" : "real";
  const made = element(kind ? "mark" : "span", `word ${kind}`.trim(), written);
  made.style.setProperty("--strength", strength.toFixed(3));
  made.title = points(weight);
  return made;
}

function list(id, words, sign) {
  const telling = words.filter((word) => word.weight * sign >= 0.0005);
  telling.sort((a, b) => (b.weight - a.weight) * sign);
  // A word may come again and again: its strongest place stands for all.
  const different = telling.filter((word, at) => telling.findIndex((other) => other.word === word.word) === at);
  const items = different
    .slice(0, 4)
    .map((word) => element("li", "", element("bdi", "", `“${word.word}”`), ` ${points(word.weight)}`));
  $(id).replaceChildren(...(items.length ? items : [element("li", "", "no word")]));
}

function points(weight) {
  const moved = (100 * weight).toFixed(1);
  return `${moved > 0 ? "+" : ""}${moved.replace("-", "−")} points`;
}
