// What all pages of the admin share: icons are not read aloud, and what can be clicked can be
// reached by keyboard. The theme's own templates have neither.

const ICON = ".material-symbols-outlined";
const CLICKED = ":is(span, div, h2, a:not([href]))[x-on\\:click]:not(#changelist-filter-close)";
// What a button says that shows nothing but an icon.
const WORDS = {
    arrow_back: "Go back",
    campaign: "Dashboard",
    close: "Close",
    dock_to_right: "Show or hide the menu",
    more_horiz: "More",
    more_vert: "Add, change or look at the chosen one",
    search: "Search",
};

function found(root, selector) {
    const inside = [...root.querySelectorAll(selector)];
    return root.matches?.(selector) ? [root, ...inside] : inside;
}

function press(event) {
    if (event.target !== event.currentTarget || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    event.currentTarget.click();
}

/** Let the keyboard reach what a mouse can click. */
function open(element) {
    if (element.hasAttribute("tabindex")) return; // the property is 0 for a link to nowhere, too
    element.tabIndex = 0;
    element.setAttribute("role", "button");
    element.addEventListener("keydown", press);
}

/** Say in words what only an icon says. */
function name(element) {
    const icons = found(element, ICON).map((icon) => icon.textContent.trim());
    const text = icons.reduce((rest, icon) => rest.replace(icon, ""), element.textContent).trim();
    const words = WORDS[icons[0]];
    if (words && !text && !element.title && !element.ariaLabel) element.ariaLabel = words;
}

/** Say what an unlabelled field is for: its column, else its row with what stands in the field. */
function label(field) {
    if (field.labels.length || field.ariaLabel || field.hasAttribute("aria-labelledby") || field.title) return;
    const column = field.closest("[data-label]")?.dataset.label;
    const row = field.closest(".field-line, .form-row, .field-row, .group")?.querySelector("label")?.textContent;
    const words = [column ?? row, field.placeholder].filter(Boolean).map((each) => each.replace(/\s+/g, " ").trim());
    if (words.length) field.ariaLabel = words.join(", ");
}

function mend(root) {
    found(root, CLICKED).forEach(open);
    found(root, `:is(a, button, [role=button]):is(${ICON}, :has(${ICON}))`).forEach(name);
    found(root, ":is(input, select, textarea):not([type=hidden], [type=submit])").forEach(label);
    for (const icon of found(root, "a > [title]:empty")) icon.parentElement.ariaLabel ??= icon.title;
    for (const icon of found(root, ICON)) {
        if (!icon.matches("[role=button]")) icon.ariaHidden = "true";
    }
}

function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.page-menu[open]")) {
        if (!menu.contains(except)) menu.open = false;
    }
}

mend(document.body);
new MutationObserver((changes) => {
    for (const change of changes) {
        for (const node of change.addedNodes) {
            if (node.nodeType === Node.ELEMENT_NODE) mend(node);
        }
    }
}).observe(document.body, { childList: true, subtree: true });

document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement?.closest("details.page-menu[open]");
    closeMenus(null);
    menu?.querySelector("summary").focus();
});
