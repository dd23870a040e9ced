// One article: the form, and the way from a question, or from the link to an answer, to what is shown.

import { clearAnswer, permalink, showAnswer } from "./answer.js";
import { callJson, showProblem } from "./api.js";
import { $, number } from "./dom.js";
import { remember } from "./history.js";
import { weigh } from "./words.js";

const MAX_TITLE = 1000;
const MAX_TEXT = 200_000;
const COUNT_FROM = 800; // characters of a headline from which the counter is worth looking at
const ADDRESS = /(?:https?:\/\/|www\.)\S+/gi;
const DOMAIN = /^(?:[\p{L}\p{N}-]+\.)+\p{L}{2,}(?:[:/?#]\S*)?$/u; // nytimes.com, bit.ly/3xYz
const MOST_BESIDE = 3; // words beside an address that make no headline of it: "Look at this"
const PERMALINK = /^#answer=([0-9a-f-]{36})(?:&row=(\d{1,8}))?[^\p{L}\p{N}]*$/iu; // mail programs add a full stop

let running = new AbortController();
let asked = ""; // the article that is being checked, as JSON
let modelOf;

/** @param {(modelId: string) => Promise<object | null>} describe describes the model that gave an answer */
export function startArticle(describe) {
  modelOf = describe;
  $("article-form").addEventListener("submit", (event) => {
    event.preventDefault();
    check();
  });
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("article-form").requestSubmit();
  });
  for (const field of ["title", "text"]) {
    $(field).addEventListener("input", () => say(field, linkFault(field, $(field).value)));
  }
  $("title").addEventListener("input", count);
  $("print").addEventListener("click", () => print());
  addEventListener("popstate", follow);
  count();
}

/** Put an article into the form and check it. */
export function checkThis({ title, text }) {
  fill(title, text);
  check();
}

async function check() {
  const article = sound();
  const key = JSON.stringify(article);
  if (!article || key === asked) return; // a double click asks once
  asked = key;
  const signal = begin();
  await asking("Checking …", signal, check, async (onWait) => {
    const answer = await callJson("predict", { json: article, signal, onWait });
    history.pushState(null, "", permalink(answer.request_id, 1));
    remember(answer, article.title);
    return () => {
      showAnswer(answer, article, modelOf, signal);
      const onOther = (other) => showAnswer(other, article, modelOf, signal);
      return answer.probability !== null && weigh(article, answer, onOther, signal);
    };
  });
  if (asked === key) asked = "";
}

/** Open the answer that the address names, if it names one. */
export function follow() {
  const [, id, row = "1"] = PERMALINK.exec(location.hash) ?? [];
  const signal = begin();
  if (!id) {
    if (location.hash.startsWith("#answer=")) showProblem($("article-problem"), DAMAGED, null);
    return;
  }
  asking("Reading the answer …", signal, follow, async (onWait) => {
    const answer = await callJson(`answers/${id.toLowerCase()}?row=${row}`, { signal, onWait });
    const article = answer.title === null ? null : { title: answer.title, text: answer.text ?? "" };
    fill(article?.title, article?.text);
    return async () => {
      showAnswer(answer, article, modelOf, signal);
      // Another model would weigh the words of another verdict.
      const isCurrent = article && answer.probability !== null && (await modelOf(answer.model_id));
      $("weighing").hidden = !isCurrent;
      if (isCurrent && !signal.aborted) await weigh(article, answer, () => ($("weighing").hidden = true), signal);
    };
  });
}

/** Forget what was asked before: an answer to an earlier question must never appear below this one. */
function begin() {
  running.abort();
  running = new AbortController();
  clearAnswer();
  $("article-problem").hidden = true;
  $("article-status").textContent = "";
  return running.signal;
}

async function asking(words, signal, again, ask) {
  const onWait = (seconds) => {
    $("article-status").textContent = seconds ? `The service is busy. Trying again in ${seconds} s …` : words;
  };
  onWait(0);
  try {
    const show = await ask(onWait);
    $("article-status").textContent = "";
    await show();
  } catch (error) {
    if (signal.aborted) return;
    $("article-status").textContent = "";
    showProblem($("article-problem"), error.status === 404 ? GONE : error, error.status === 404 ? null : again);
  }
}

const GONE = new Error(
  "The log of this service holds no such answer for you. It may have been removed since, was given to another key, or the link is of another service.",
);
const DAMAGED = new Error("This link to an answer is damaged, such as cut short. Ask for it again, and copy all of it.");

/** The article to send, or null after saying what is wrong with it. */
function sound() {
  const article = { title: $("title").value, text: $("text").value };
  const faults = {
    title: !article.title.trim()
      ? "Paste a headline first."
      : characters(article.title) > MAX_TITLE
        ? `A headline has at most ${number(MAX_TITLE)} characters.`
        : linkFault("title", article.title),
    text:
      characters(article.text) > MAX_TEXT
        ? `An article has at most ${number(MAX_TEXT)} characters; paste its beginning.`
        : linkFault("text", article.text),
  };
  Object.entries(faults).forEach(([field, fault]) => say(field, fault));
  const wrong = Object.keys(faults).find((field) => faults[field]);
  if (wrong) $(wrong).focus();
  if (!article.text.trim() || $("text-field").hidden) delete article.text;
  return wrong ? null : article;
}

function say(field, fault) {
  $(`${field}-error`).textContent = fault;
  $(field).setAttribute("aria-invalid", String(fault !== ""));
}

function linkFault(field, value) {
  if (!isLink(value.trim())) return "";
  const article = $("text-field").hidden ? "" : field === "title" ? ", and the article below" : "";
  return field === "title"
    ? `This is a link, and the service opens no pages. Open it yourself, then paste the headline here${article}.`
    : "This is a link, and the service opens no pages. Open it yourself, then paste the words of the article here.";
}

/** Whether somebody pasted a link in place of words. A headline that names a site stays one: "Amazon.com cuts jobs". */
function isLink(text) {
  if (DOMAIN.test(text)) return true;
  const rest = text.replace(ADDRESS, " ");
  return rest !== text && rest.split(/\s+/).filter(Boolean).length <= MOST_BESIDE;
}

function fill(title = "", text = "") {
  $("title").value = title;
  $("text").value = text ?? "";
  for (const field of ["title", "text"]) say(field, "");
  count();
}

function count() {
  const length = characters($("title").value);
  $("title-count").textContent = length < COUNT_FROM ? "" : `${number(length)} of ${number(MAX_TITLE)} characters`;
  $("title-count").classList.toggle("over", length > MAX_TITLE);
}

/** The length of a text in code points, as the API counts. */
function characters(text) {
  return Array.from(text).length;
}
