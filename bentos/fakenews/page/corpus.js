// Articles of the corpus: some to try, and those with a headline like the one that was asked about.

import { callJson } from "./api.js";
import { $, button, day, element, WORDS } from "./dom.js";

const LABELS = ["Real", "Fake"];

/** @param {(article: object) => void} tryIt is given the article that was chosen */
export async function offerExamples(model, tryIt) {
  $("examples").hidden = true;
  if (!model?.shows_corpus) return;
  try {
    const { examples } = await callJson("examples");
    $("examples-list").replaceChildren(...examples.map((example) => element("li", "", card(example, tryIt))));
    // On a phone they would push everything else away.
    $("examples").open = $("result").hidden && matchMedia("(min-width: 34rem)").matches;
    $("examples").hidden = !examples.length;
  } catch {
    // The page is whole without them.
  }
}

function card(example, tryIt) {
  const { title, label, source, verdict } = example;
  const said = verdict.abstained ? "" : verdict.label === label ? ", and is right" : ", and is wrong";
  const made = button("", () => tryIt(example), "example");
  made.append(
    Object.assign(element("span", "", title), { dir: "auto" }),
    element("span", "quiet", `${about({ label, source })}. The model says: ${WORDS[verdict.verdict].toLowerCase()}${said}.`),
  );
  return made;
}

/** Show the training articles whose headlines are most like one. */
export async function showSimilar(model, { title }, signal) {
  $("similar").hidden = true;
  if (!model?.shows_corpus) return;
  try {
    const { articles, model_id: modelId } = await callJson("similar", { json: { title }, signal });
    if (signal.aborted || modelId !== model.model_id) return;
    $("similar-list").replaceChildren(...articles.map(line));
    $("similar-none").hidden = articles.length > 0;
    $("similar-note").hidden = !articles.length;
    $("similar").hidden = false;
  } catch {
    // The answer is whole without them.
  }
}

function line({ title, shared, label, source, published, batch }) {
  const words = Object.assign(element("p", "", ...bold(title, shared)), { dir: "auto" });
  const rest = [source, published && day(published), `batch ${batch}`].filter(Boolean).join(" · ");
  const badge = element("span", `badge ${label ? "fake" : "real"}`, `Labelled ${LABELS[label].toLowerCase()}`);
  return element("li", "", words, element("p", "quiet", badge, ` · ${rest}`));
}

function bold(title, shared) {
  const words = new Set(shared);
  return title.split(/([\p{L}\p{N}]+)/u).map((part) => (words.has(part) ? element("b", "", part) : part));
}

function about({ label, source }) {
  return `Labelled ${LABELS[label].toLowerCase()}${source ? `, by ${source}` : ""}`;
}
