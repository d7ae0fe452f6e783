// Loads what is counted once its page is open: with many doctors that may take a moment.
async function load(box) {
    const link = box.innerHTML;
    box.textContent = "Counting …";
    const answer = await fetch(box.dataset.part).catch(() => null);
    if (!answer?.ok || answer.redirected) {
        box.innerHTML = link; // the same by a plain link
        return;
    }
    box.innerHTML = await answer.text();
}

for (const box of document.querySelectorAll("[data-part]")) load(box);
