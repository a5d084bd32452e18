"use strict";
// Parts of a page that ask for themselves (htmx) tell what they have, so that nothing moves while nothing has changed.
const parts = new Map();

document.addEventListener("htmx:configRequest", (event) => {
  const known = parts.get(event.detail.elt.id);
  if (known) event.detail.parameters.seen = known;
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const digest = event.detail.xhr.getResponseHeader("X-Part");
  if (digest) parts.set(event.detail.target.id, digest);
});

// A page that no longer hears from the server must not look as if it did.
const silence = document.createElement("p");
silence.className = "note bad silence";
silence.setAttribute("role", "alert");
let heard = new Date();

function fellSilent() {
  if (silence.isConnected) return;
  silence.textContent = `No connection to the server since ${heard.toLocaleTimeString()}: what you see is old.`;
  document.querySelector("main").prepend(silence);
}

for (const fault of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(fault, fellSilent);
// An answer that tells of a fault counts as none.
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.xhr.status >= 400) return;
  heard = new Date();
  silence.remove();
});

for (const form of document.querySelectorAll("form[data-send-on-change]")) {
  form.addEventListener("change", (event) => {
    if (event.target.tagName === "SELECT" || event.target.type === "date") form.requestSubmit();
  });
}
