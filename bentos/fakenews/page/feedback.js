// What a person says of an answer.

import { callJson, showProblem } from "./api.js";
import { button, element } from "./dom.js";
import { labelOf, rememberLabel } from "./history.js";

/**
 * A box that asks for the true label of one answer, and takes it back.
 * @param {() => void} [onLabel] hears that it was given or taken back
 * @returns {HTMLElement}
 */
export function feedbackBox(requestId, row, signal, onLabel = () => {}) {
  const question = element("p", "question", "Do you know the truth about this article?");
  const status = element("p", "quiet feedback-status");
  status.setAttribute("role", "status");
  const problem = element("div", "problem");
  problem.setAttribute("role", "alert");
  problem.hidden = true;
  let said = labelOf(requestId, row);
  let sending = false;
  /** @param {0 | 1 | null} label null takes the one before back */
  const say = async (label) => {
    if (sending || (said !== null && label !== null)) return;
    sending = true;
    problem.hidden = true;
    try {
      await callJson("feedback", { json: { request_id: requestId, row, label, source: "page" }, signal });
      said = label;
      rememberLabel(requestId, row, label);
      status.textContent = label === null ? "Taken back." : `Thank you. ${noted()}`;
      show();
      onLabel();
    } catch (error) {
      if (!signal.aborted) showProblem(problem, error, null);
    } finally {
      sending = false;
    }
  };
  const noted = () => `Noted that this article is ${said ? "fake" : "real"}.`;
  const buttons = ["It is real", "It is fake"].map((words, label) => button(words, () => say(label)));
  const undo = button("Take it back", () => {
    buttons[0].focus(); // before this one goes
    say(null);
  });
  const show = () => {
    buttons.forEach((one, label) => {
      // Not `disabled`: that would take the focus away from who uses the keyboard.
      one.setAttribute("aria-disabled", String(said !== null));
      one.setAttribute("aria-pressed", String(said === label));
    });
    undo.hidden = said === null;
  };
  show();
  if (said !== null) status.textContent = noted();
  const actions = element("div", "actions", ...buttons, undo);
  actions.setAttribute("role", "group");
  actions.setAttribute("aria-label", question.textContent);
  return element("div", "", question, actions, status, problem);
}
