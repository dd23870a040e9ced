// An answer: its verdict, the probability, what is missing for a verdict, and how to keep it.

import { showSimilar } from "./corpus.js";
import { $, element, moment, number, percent, WORDS } from "./dom.js";
import { feedbackBox } from "./feedback.js";

const CLEARED = ["result", "similar", "words", "words-problem", "words-truncated", "past", "missing"];

/** The part of an address that opens an answer again. It is never sent, so it is in no server's access log. */
export function permalink(requestId, row) {
  return `#answer=${requestId}${row > 1 ? `&row=${row}` : ""}`;
}

export function clearAnswer() {
  for (const id of CLEARED) $(id).hidden = true;
  for (const id of ["verdict-word", "verdict-reason", "how-often", "words-status"]) $(id).textContent = "";
  $("verdict").className = "";
}

/**
 * @param {object} answer of `predict` or `explain`, or one that the log holds, which has `time` and `row`
 * @param {{title: string, text?: string} | null} article null where the log holds no texts
 * @param {(modelId: string) => Promise<object | null>} modelOf describes the model that gave it
 */
export function showAnswer(answer, article, modelOf, signal) {
  const row = answer.row ?? 1;
  $("verdict").className = $("meter").className = answer.verdict;
  $("verdict-word").textContent = WORDS[answer.verdict];
  $("chance").hidden = answer.probability === null;
  $("weighing").hidden = answer.probability === null || !article;
  if (answer.probability !== null) showChance(answer);
  keep(answer, row);
  $("feedback").replaceChildren(feedbackBox(answer.request_id, row, signal));
  showPast(answer, article, undefined);
  showLimits(answer, article, null);
  $("result").hidden = false;
  $("examples").open = false; // the answer stands below them
  $("verdict").scrollIntoView({ block: "nearest" });
  modelOf(answer.model_id).then((model) => {
    if (signal.aborted) return;
    showPast(answer, article, model);
    showLimits(answer, article, model);
    $("how-often").textContent = model ? howOften(answer.verdict, model.reliability) : "";
    $("log-note").textContent = model ? LOG_NOTES[model.log_content] : "";
    if (article) showSimilar(model, article, signal);
  });
}

const LOG_NOTES = {
  text: "The log keeps headline and article. The link opens them for everyone who can use this service, and has the same key if it asks for one.",
  hash: "The log of this service keeps no texts, so the link opens the verdict without the headline. To have both, print the page or keep the headline yourself.",
};

function showChance(answer) {
  const chance = percent(answer.probability);
  $("probability").textContent = chance;
  $("meter").setAttribute("aria-valuenow", (100 * answer.probability).toFixed(1));
  $("meter").setAttribute("aria-valuetext", `${chance}, ${WORDS[answer.verdict].toLowerCase()}`);
  $("fill").style.width = $("needle").style.left = `${100 * answer.probability}%`;
}

/** Where an answer from the log comes from. */
function showPast(answer, article, model) {
  if (!answer.time) return;
  const told = [`This answer was given on ${moment(answer.time)}.`];
  if (!article) told.push("The log holds no headline of it: it keeps none, or the article was erased.");
  if (model === null) told.push("Another model has taken over since; check the article again for its answer.");
  $("past").textContent = told.join(" ");
  $("past").hidden = false;
}

/** How often such a verdict is right, as far as the model's own evaluation says it. */
function howOften(verdict, { confidence, unseen_publishers: publishers, ...verdicts }) {
  if (!(verdict in verdicts)) return "";
  const { promised, unseen } = verdicts[verdict];
  const known =
    promised === null
      ? "For such verdicts no precision is promised."
      : `On new articles by publishers like those that it was trained on, at least ${percent(promised)} of such verdicts are right, with ${percent(confidence)} confidence.`;
  const others =
    unseen === null
      ? "They were not tested on other publishers."
      : `On test articles of ${number(publishers)} other publishers, ${percent(unseen)} were right.`;
  return `${known} ${others}`;
}

/** Where the model declines, and from where it leans to fake: only known while that model is described. */
function showLimits(answer, article, model) {
  const [low, high] = model?.abstain_between ?? [0, 0];
  const band = low < high;
  $("verdict-reason").textContent = !answer.abstained
    ? `The model puts the probability of fake at ${percent(answer.probability)}.`
    : answer.abstain_reason === "out_of_distribution"
      ? "The model declines to answer: this is unlike the news articles that it has learnt from, in language or in kind."
      : band
        ? `The model declines to answer: between ${percent(low)} and ${percent(high)} it would be wrong too often.`
        : "The model declines to answer: here it would be wrong too often.";
  if (answer.truncated) $("verdict-reason").textContent += " It read only the beginning: the article is longer than its limit.";
  const missing = answer.abstained && model ? missingFor(answer, article, model) : [];
  $("missing-list").replaceChildren(...missing.map((text) => element("li", "", text)));
  $("missing").hidden = !missing.length;
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

/** What would have to be otherwise for a verdict. */
function missingFor({ probability, abstain_reason }, article, { abstain_between, reads_text, trained_on }) {
  const found = [];
  if (abstain_reason === "uncertain") {
    const [low, high] = abstain_between;
    found.push(
      `${points(high - probability)} more for “fake”, or ${points(probability - low)} less for “real”: probabilities in between are no verdict here.`,
    );
  } else {
    const { real, fake, sources_known: sources } = trained_on;
    const likeThose = sources ? ` by publishers like those ${number(sources)} of the corpus` : "";
    found.push(
      `An article like the ${number(real + fake)} that this model was trained on: news in English${likeThose}. Another language, a post, a claim in a few words or a text that is no news is unlike them.`,
    );
  }
  if (reads_text && article && !article.text?.trim()) {
    found.push("The article itself. This model reads it, and a headline alone says less: paste it below the headline.");
  }
  return found;
}

function points(share) {
  return `${Number((100 * share).toFixed(1))} points`;
}

function keep(answer, row) {
  $("checked").textContent = moment(answer.time ?? new Date().toISOString());
  const link = new URL(permalink(answer.request_id, row), location.href).href;
  $("link").textContent = link;
  $("link").href = link;
  $("request-id").textContent = answer.request_id;
  $("row-note").textContent = row > 1 ? `, row ${row}` : "";
  $("audit").textContent = `fakenews audit ${answer.request_id}${row > 1 ? ` --row ${row}` : ""}`;
  $("model-id").textContent = answer.model_id;
}
