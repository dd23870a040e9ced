// One article: its verdict, the words that moved it, and what a person says of it.

import { callJson, showProblem } from "./api.js";

const MAX_TITLE = 1000;
const MAX_TEXT = 200_000;
const COUNT_FROM = 800; // characters of a headline from which the counter is worth looking at
const FAINT = 0.08; // of the strongest word: less is not coloured
const MATTERS = 0.005; // of probability: where no word moves it more, colours would exaggerate

const $ = (id) => document.getElementById(id);
const WORDS = { real: "Looks real", fake: "Looks fake", unsure: "Not sure" };
let running = new AbortController();

/** @param {(modelId: string) => Promise<object | null>} modelOf describes the model that gave an answer */
export function startArticle(modelOf) {
  $("article-form").addEventListener("submit", (event) => {
    event.preventDefault();
    check(modelOf);
  });
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("article-form").requestSubmit();
  });
  $("title").addEventListener("input", count);
  count();
}

async function check(modelOf) {
  const article = sound();
  if (!article) return;
  // An answer to an earlier question must never appear below this one.
  running.abort();
  running = new AbortController();
  const { signal } = running;
  clear();
  $("article-status").textContent = "Checking …";
  const onWait = (seconds) => {
    $("article-status").textContent = seconds ? `The service is busy. Trying again in ${seconds} s …` : "Checking …";
  };
  try {
    const answer = await callJson("predict", { json: article, signal, onWait });
    $("article-status").textContent = "";
    showVerdict(answer, modelOf, signal);
    if (answer.probability !== null) await explain(article, answer, modelOf, signal);
  } catch (error) {
    if (signal.aborted) return;
    $("article-status").textContent = "";
    showProblem($("article-problem"), error, () => check(modelOf));
  }
}

async function explain(article, answer, modelOf, signal) {
  $("words-problem").hidden = true;
  const onWait = (seconds) => {
    $("words-status").textContent = seconds
      ? `The service is busy. The words follow in ${seconds} s …`
      : "Weighing the words …";
  };
  onWait(0);
  try {
    const explanation = await callJson("explain", { json: article, signal, onWait });
    // Weights belong to the verdict of the model that weighed: show that one if a new champion took over meanwhile.
    if (explanation.model_id !== answer.model_id) showVerdict(explanation, modelOf, signal);
    if (explanation.probability !== null) showWords(article, explanation);
  } catch (error) {
    if (signal.aborted) return;
    $("words-status").textContent = "";
    const told = Object.assign(new Error(`The words could not be weighed. ${error.message}`), {
      requestId: error.requestId,
    });
    showProblem($("words-problem"), told, () => explain(article, answer, modelOf, signal));
  }
}

/** The article to send, or null after saying what is wrong with it. */
function sound() {
  const article = { title: $("title").value, text: $("text").value };
  const faults = {
    title: !article.title.trim()
      ? "Paste a headline first."
      : codePoints(article.title).length > MAX_TITLE
        ? `A headline has at most ${MAX_TITLE.toLocaleString("en")} characters.`
        : "",
    text:
      codePoints(article.text).length > MAX_TEXT
        ? `An article has at most ${MAX_TEXT.toLocaleString("en")} characters; paste its beginning.`
        : "",
  };
  for (const [field, fault] of Object.entries(faults)) {
    $(`${field}-error`).textContent = fault;
    $(field).setAttribute("aria-invalid", String(fault !== ""));
  }
  const wrong = Object.keys(faults).find((field) => faults[field]);
  if (wrong) $(wrong).focus();
  if (!article.text.trim()) delete article.text;
  return wrong ? null : article;
}

function count() {
  const length = codePoints($("title").value).length;
  $("title-count").textContent =
    length < COUNT_FROM ? "" : `${length.toLocaleString("en")} of ${MAX_TITLE.toLocaleString("en")} characters`;
  $("title-count").classList.toggle("over", length > MAX_TITLE);
}

function clear() {
  for (const id of ["result", "words", "words-problem", "article-problem", "feedback-problem"]) $(id).hidden = true;
  for (const id of ["verdict-word", "verdict-reason", "words-status", "feedback-status"]) $(id).textContent = "";
  $("verdict").className = "";
}

function showVerdict(answer, modelOf, signal) {
  $("verdict").className = $("meter").className = answer.verdict;
  $("verdict-word").textContent = WORDS[answer.verdict];
  $("chance").hidden = $("weighing").hidden = answer.probability === null;
  if (answer.probability !== null) showChance(answer);
  short("request-id", answer.request_id, 13);
  short("model-id", answer.model_id, 12);
  offerFeedback(answer.request_id);
  showLimits(answer, null);
  $("result").hidden = false;
  $("verdict").scrollIntoView({ block: "nearest" });
  modelOf(answer.model_id).then((model) => signal.aborted || showLimits(answer, model));
}

function showChance(answer) {
  const chance = percent(answer.probability);
  $("probability").textContent = chance;
  $("meter").setAttribute("aria-valuenow", (100 * answer.probability).toFixed(1));
  $("meter").setAttribute("aria-valuetext", `${chance}, ${WORDS[answer.verdict].toLowerCase()}`);
  $("fill").style.width = $("needle").style.left = `${100 * answer.probability}%`;
}

/** Where the model declines, and from where it leans to fake: only known while that model is described. */
function showLimits(answer, model) {
  const [low, high] = model?.abstain_between ?? [0, 0];
  const band = low < high;
  $("verdict-reason").textContent = !answer.abstained
    ? `The model puts the probability of fake at ${percent(answer.probability)}.`
    : answer.abstain_reason === "out_of_distribution"
      ? "The model declines to answer: this is unlike the news articles that it has learnt from, in language or in kind."
      : band
        ? `The model declines to answer: between ${percent(low)} and ${percent(high)} it would be wrong too often.`
        : "The model declines to answer: here it would be wrong too often.";
  $("band").hidden = $("band-legend").hidden = !band;
  $("band").style.left = `${100 * low}%`;
  $("band").style.width = `${100 * (high - low)}%`;
  $("band-legend").lastElementChild.textContent = `declines to answer: ${percent(low)} to ${percent(high)}`;
  $("threshold").hidden = $("threshold-legend").hidden = !model;
  if (model) {
    $("threshold").style.left = `${100 * model.threshold}%`;
    $("threshold-legend").lastElementChild.textContent = `leans to fake from ${percent(model.threshold)} on`;
  }
}

function showWords(article, { words, truncated }) {
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
  $("words-truncated").textContent = `The model may have read more; the first ${words.length} words were weighed.`;
  list("for-fake", words, 1);
  list("for-real", words, -1);
  if (strongest < MATTERS) {
    $("words-status").textContent = "No single word matters much here: without any one of them the answer stays the same.";
  }
  $("words").hidden = false;
}

/** A text with its words marked. Offsets count code points, JavaScript's own count UTF-16 units. */
function marked(text, words, scale, last) {
  const points = codePoints(text);
  const parts = [];
  let done = 0;
  for (const word of words) {
    parts.push(points.slice(done, word.start).join(""), mark(points.slice(word.start, word.end).join(""), word, scale));
    done = word.end;
  }
  parts.push(last === undefined ? points.slice(done).join("") : " …");
  return parts;
}

function mark(written, { weight }, scale) {
  const strength = Math.abs(weight) / scale;
  const element = document.createElement(strength < FAINT ? "span" : "mark");
  element.className = `word ${strength < FAINT ? "" : weight > 0 ? "fake" : "real"}`.trim();
  element.style.setProperty("--strength", strength.toFixed(3));
  element.title = points(weight);
  element.textContent = written;
  return element;
}

function list(id, words, sign) {
  const telling = words.filter((word) => word.weight * sign >= 0.0005);
  telling.sort((a, b) => (b.weight - a.weight) * sign);
  // A word may come again and again: its strongest place stands for all.
  const different = telling.filter((word, at) => telling.findIndex((other) => other.word === word.word) === at);
  const items = different.slice(0, 4).map((word) => {
    const item = document.createElement("li");
    const written = document.createElement("bdi");
    written.textContent = `“${word.word}”`;
    item.append(written, ` ${points(word.weight)}`);
    return item;
  });
  if (!items.length) {
    items.push(document.createElement("li"));
    items[0].textContent = "no word";
  }
  $(id).replaceChildren(...items);
}

function offerFeedback(requestId) {
  const buttons = [$("say-real"), $("say-fake")];
  const say = async (label) => {
    // Not `disabled`: that would take the focus away from who uses the keyboard.
    if (buttons.some((button) => button.getAttribute("aria-disabled") === "true")) return;
    buttons.forEach((button) => button.setAttribute("aria-disabled", "true"));
    $("feedback-problem").hidden = true;
    const { signal } = running;
    try {
      await callJson("feedback", { json: { request_id: requestId, label, source: "page" }, signal });
      if (!signal.aborted) {
        $("feedback-status").textContent = `Thank you. Noted that this article is ${label ? "fake" : "real"}.`;
        buttons[label].setAttribute("aria-pressed", "true");
      }
    } catch (error) {
      if (signal.aborted) return;
      buttons.forEach((button) => button.removeAttribute("aria-disabled"));
      showProblem($("feedback-problem"), error, null);
    }
  };
  buttons.forEach((button, label) => {
    button.removeAttribute("aria-disabled");
    button.removeAttribute("aria-pressed");
    button.onclick = () => say(label);
  });
}

function short(id, whole, length) {
  $(id).textContent = whole.slice(0, length);
  $(id).title = whole;
}

function points(weight) {
  const moved = (100 * weight).toFixed(1);
  return `${moved > 0 ? "+" : ""}${moved.replace("-", "−")} points`;
}

// Rounding must not turn "almost" into "certainly".
export function percent(share) {
  if (share > 0.9995 && share < 1) return "over 99.9%";
  if (share < 0.0005 && share > 0) return "under 0.1%";
  return `${Number((100 * share).toFixed(1))}%`;
}

function codePoints(text) {
  return Array.from(text);
}
