// Loads what is counted once its page is open: with many doctors that may take a moment.
async function load(box) {
    const link = box.innerHTML;
    box.textContent = "Counting …";
    const answer = await fetch(box.dataset.part).catch(() => null);
    if (!answer?.ok || answer.redirected) {
        box.innerHTML = link; // the same by a plain link
        return;
    }
    put(box, await answer.text());
}

// Whoever has gone to a place of the page by a link meanwhile stays there, if more comes above it.
function put(box, html) {
    const place = document.querySelector(":target");
    const top = place?.getBoundingClientRect().top;
    box.innerHTML = html;
    if (place && top >= 0 && top < innerHeight) place.scrollIntoView();
}

for (const box of document.querySelectorAll("[data-part]")) load(box);
