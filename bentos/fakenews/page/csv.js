// CSV as it streams in.

import { Refusal } from "./api.js";

/** Split a CSV text that arrives in pieces. They may end anywhere, inside quotes or between two of them too. */
export class CsvSplitter {
  #cells = [];
  #cell = "";
  #delimiter = null; // the service keeps that of the upload; no name of a column before the first one holds any
  #state = "start"; // of a cell; or "plain", "quoted", "closing": a quote that ends the cell unless one more follows

  /** @returns {string[][]} the rows that this piece completes */
  push(piece) {
    const rows = [];
    for (let at = 0; at < piece.length; ) {
      if (this.#state === "quoted") {
        const quote = piece.indexOf('"', at);
        this.#cell += piece.slice(at, quote < 0 ? undefined : quote);
        if (quote < 0) break;
        this.#state = "closing";
        at = quote + 1;
        continue;
      }
      const sign = piece[at];
      if (sign === '"' && this.#state !== "plain") {
        if (this.#state === "closing") this.#cell += '"';
        this.#state = "quoted";
        at++;
      } else if (sign === (this.#delimiter ??= DELIMITERS.includes(sign) ? sign : null) || sign === "\n") {
        this.#cells.push(this.#cell);
        this.#cell = "";
        this.#state = "start";
        if (sign === "\n") rows.push(this.#cells.splice(0));
        at++;
      } else if (sign === "\r") {
        at++; // outside quotes it only belongs to the line's end
      } else {
        STOP.lastIndex = at + 1;
        const stop = STOP.exec(piece)?.index ?? piece.length;
        this.#cell += piece.slice(at, stop);
        this.#state = "plain";
        at = stop;
      }
    }
    return rows;
  }
}

const DELIMITERS = ",;\t|";
const STOP = /[,;\t|\r\n]/g; // where a cell without quotes may end

/**
 * Read a CSV answer while it arrives.
 *
 * @param {Response} response
 * @param {(bytes: Uint8Array) => void} keep is given every piece as it was received
 * @yields {object[]} rows as objects by column
 */
export async function* readCsv(response, keep) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder(); // keeps the beginning of a character until its rest arrives
  const splitter = new CsvSplitter();
  let header = null;
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal("The connection broke off.");
    }
    if (piece.done) return;
    keep(piece.value);
    const rows = splitter.push(decoder.decode(piece.value, { stream: true }));
    header ??= rows.shift() ?? null;
    if (rows.length) yield rows.map((cells) => Object.fromEntries(header.map((name, at) => [name, cells[at] ?? ""])));
  }
}
