// What goes over the wire: requests, refusals in plain words, and the key.

import { $, button, element } from "./dom.js";

const KEY = "fakenews-api-key";
const LONGEST_WAIT = 30; // seconds that the page waits by itself before it asks again
let key = stored();
let asking = null;

/** A refusal or a failure, with a message that can be shown as it is. */
export class Refusal extends Error {
  constructor(message, { status = 0, code = "", requestId = "", retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, requestId, retryAfter });
  }
}

/**
 * Ask the service. A busy one is asked once more after the time it names; one that wants a key gets it from the
 * person at the keyboard.
 *
 * @param {string} path relative, so that the page works behind a path prefix
 * @param {{json?: object, body?: FormData, signal?: AbortSignal, onWait?: (seconds: number) => void}} options
 *   `onWait` hears the seconds left, and 0 when the wait is over
 * @returns {Promise<Response>} always a success
 * @throws {Refusal | DOMException} the latter when `signal` was aborted
 */
export async function call(path, { json, body, signal, onWait } = {}) {
  for (let waited = false; ; ) {
    const used = key;
    const response = await send(path, { json, body, signal });
    if (response.ok) return response;
    const refusal = await read(response);
    signal?.throwIfAborted();
    if (response.status === 401) {
      // Another request may have brought a newer key meanwhile.
      if (used === key) await newKey(used !== "", signal);
    } else if (isBusy(refusal) && onWait && !waited && refusal.retryAfter <= LONGEST_WAIT) {
      waited = true;
      for (let left = Math.max(1, refusal.retryAfter); left > 0; left--) {
        onWait(left);
        await sleep(1000, signal);
      }
      onWait(0);
    } else {
      throw refusal;
    }
  }
}

/** Whether the service has demanded a key. */
export function hasKey() {
  return key !== "";
}

/** Ask the service and read its answer as JSON. */
export async function callJson(path, options) {
  const response = await call(path, options);
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The service's answer could not be read. Try again.");
  }
}

/**
 * Show a failure with a button to try again. Only text, never markup: messages may quote what was sent.
 * @param {HTMLElement} box
 */
export function showProblem(box, error, retry) {
  box.replaceChildren(element("p", "", error.message));
  if (retry) box.append(button("Try again", retry));
  if (error.requestId) box.append(element("p", "small quiet", `Request ${error.requestId}`));
  box.hidden = false;
}

async function send(path, { json, body, signal }) {
  const headers = {};
  if (key) headers["X-API-Key"] = key;
  if (json) headers["Content-Type"] = "application/json";
  const sent = json ? JSON.stringify(json) : body;
  try {
    return await fetch(path, { method: sent ? "POST" : "GET", headers, body: sent, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(
      body
        ? "The file did not get through: the service cannot be reached, or the file is larger than it takes."
        : "The service cannot be reached. Check the connection and try again.",
    );
  }
}

async function read(response) {
  const about = { status: response.status, retryAfter: Number(response.headers.get("Retry-After")) || 0 };
  try {
    const problem = await response.json();
    return new Refusal(problem.error.message, { ...about, code: problem.error.code, requestId: problem.request_id });
  } catch {
    // Not the service itself, but something before it.
    return new Refusal(`The service answered with an error (${response.status}). Try again later.`, about);
  }
}

function isBusy(refusal) {
  return refusal.status === 503 && refusal.code !== "no_model";
}

function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Have a key typed in. All requests that lack one wait for the same. */
function newKey(refused, signal) {
  asking ??= askForKey(refused).finally(() => (asking = null));
  if (!signal) return asking;
  const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  return Promise.race([asking, aborted]);
}

function askForKey(refused) {
  const form = $("key-form");
  const field = $("key");
  const fault = $("key-error");
  fault.textContent = refused ? "The service did not accept this key." : "";
  form.hidden = false;
  field.focus();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const typed = field.value.trim();
      // Anything else cannot be sent in a header.
      if (!/^[\x21-\x7e]+$/.test(typed)) {
        fault.textContent = typed ? "A key holds no spaces and no accented letters." : "Type the key in.";
        return;
      }
      key = typed;
      store(typed);
      field.value = "";
      form.hidden = true;
      resolve();
    };
  });
}

// A browser may forbid storage; the key then lives as long as the page.
function stored() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function store(value) {
  try {
    sessionStorage.setItem(KEY, value);
  } catch {
    // see above
  }
}
