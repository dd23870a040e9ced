// What a person says of an answer.

import { callJson, showProblem } from "./api.js";
import { button, element } from "./dom.js";

/**
 * A box that asks for the true label of one answer, once.
 * @returns {HTMLElement}
 */
export function feedbackBox(requestId, row, signal) {
  const question = element("p", "question", "Do you know the truth about this article?");
  const status = element("p", "quiet feedback-status");
  status.setAttribute("role", "status");
  const problem = element("div", "problem");
  problem.setAttribute("role", "alert");
  problem.hidden = true;
  const say = async (label) => {
    // Not `disabled`: that would take the focus away from who uses the keyboard.
    if (buttons.some((one) => one.getAttribute("aria-disabled") === "true")) return;
    buttons.forEach((one) => one.setAttribute("aria-disabled", "true"));
    problem.hidden = true;
    try {
      await callJson("feedback", { json: { request_id: requestId, row, label, source: "page" }, signal });
      status.textContent = `Thank you. Noted that this article is ${label ? "fake" : "real"}.`;
      buttons[label].setAttribute("aria-pressed", "true");
    } catch (error) {
      if (signal.aborted) return;
      buttons.forEach((one) => one.removeAttribute("aria-disabled"));
      showProblem(problem, error, null);
    }
  };
  const buttons = ["It is real", "It is fake"].map((words, label) => button(words, () => say(label)));
  const actions = element("div", "actions", ...buttons);
  actions.setAttribute("role", "group");
  actions.setAttribute("aria-label", question.textContent);
  return element("div", "", question, actions, status, problem);
}
