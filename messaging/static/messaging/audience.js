// Moves the progress of an audience check while it waits or runs; when it ends, shows the result.

const EVERY = 2000; // milliseconds
const box = document.querySelector("[data-audience-progress]");

function show(check) {
  const bar = box.querySelector("progress");
  if (check.total) {
    bar.max = check.total;
    bar.value = check.done;
  } else {
    bar.removeAttribute("value"); // how far is not known yet
  }
  box.querySelector("[data-words]").textContent = check.words;
}

async function look() {
  try {
    const answer = await fetch(box.dataset.audienceProgress, {
      headers: { Accept: "application/json" },
    });
    if (!answer.ok || answer.redirected) {
      throw new Error(answer.statusText);
    }
    const check = await answer.json();
    if (!check.live) {
      window.location.reload();
      return;
    }
    show(check);
  } catch {
    box.querySelector("[data-words]").textContent =
      "The server does not answer. Trying again; if this stays, reload the page.";
  }
  setTimeout(look, EVERY);
}

if (box) {
  setTimeout(look, EVERY);
}

// A link to a step opens it.
function openStep() {
  const step = document.getElementById(window.location.hash.slice(1));
  const details = step?.querySelector("details");
  if (details) {
    details.open = true;
  }
}

window.addEventListener("hashchange", openStep);
openStep();
