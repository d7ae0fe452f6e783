// Folds the sections of a page of figures on a phone. Without scripts all are open.
// data-fold="open": stays open there too, and can be folded.
const sections = [...document.querySelectorAll("details[data-fold]")];

function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  for (let box = target; box; box = box.parentElement?.closest("details")) box.open = true;
  if (target) target.scrollIntoView();
}

if (matchMedia("(max-width: 1023px)").matches) {
  for (const section of sections) section.open = section.dataset.fold === "open";
}
addEventListener("hashchange", reveal);
reveal();

// On paper everything is open; afterwards it is as it was.
let closed = [];
addEventListener("beforeprint", () => {
  closed = sections.filter((section) => !section.open);
  for (const section of closed) section.open = true;
});
addEventListener("afterprint", () => {
  for (const section of closed) section.open = false;
});
