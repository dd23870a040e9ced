// Small helpers that all parts of the page share.

export const $ = (id) => document.getElementById(id);
export const WORDS = { real: "Looks real", fake: "Looks fake", unsure: "Not sure" };
/** The same in a table, in the order of sorting. */
export const NAMES = { fake: "Fake", unsure: "Not sure", real: "Real", error: "Not judged" };
export const number = (value) => value.toLocaleString("en");

/** A text without the characters that turn its letters around, such as "txt.exe" into "exe.txt". */
export const straight = (text) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "");

/** An element with text and elements in it; never markup, for what is shown may quote what was sent. */
export function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content.map((one) => (typeof one === "string" ? straight(one) : one)));
  return made;
}

/** A button that is no submit button. */
export function button(words, onClick, className = "") {
  const made = element("button", className, words);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

// Rounding must not turn "almost" into "certainly".
export function percent(share) {
  if (share > 0.9995 && share < 1) return "over 99.9%";
  if (share < 0.0005 && share > 0) return "under 0.1%";
  return `${Number((100 * share).toFixed(1))}%`;
}

/** A moment in the reader's own time zone. */
export function moment(iso) {
  const parts = { day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" };
  return new Date(iso).toLocaleString("en-GB", { ...parts, timeZoneName: "short" });
}

/** A day, which has no time zone. */
export function day(iso) {
  return new Date(iso).toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" });
}

/** Have every button with `data-copy` copy the text of the element of that id. */
export function startCopying() {
  document.addEventListener("click", async (event) => {
    const pressed = event.target.closest("[data-copy]");
    if (!pressed) return;
    const source = $(pressed.dataset.copy);
    const copied = await copy(source);
    $("copied").textContent = copied ? "Copied." : "Could not copy. The text is selected: copy it by hand.";
    if (!copied) return;
    pressed.classList.add("done");
    setTimeout(() => pressed.classList.remove("done"), 2000);
  });
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    // Browsers have no clipboard for pages that came over plain HTTP from another machine.
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}
