// Starts the page.

import { checkThis, follow, startArticle } from "./article.js";
import { offerExamples } from "./corpus.js";
import { startCopying } from "./dom.js";
import { startFile } from "./file.js";
import { startHistory } from "./history.js";
import { loadModel, modelOf, onModel } from "./model.js";

// A jump within the page must not replace the address of the answer that is open.
document.addEventListener("click", (event) => {
  const target = document.getElementById(event.target.closest('a[href^="#"]')?.hash.slice(1));
  if (!target) return;
  event.preventDefault();
  target.scrollIntoView();
  target.focus();
});

startCopying();
startHistory();
startFile();
startArticle(modelOf);
onModel((model) => offerExamples(model, checkThis));
await loadModel();
follow();
