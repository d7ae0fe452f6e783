// Elements made of texts only: values are data, and never become markup.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings among the children stand as text. */
export function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === true) element.setAttribute(name, "");
        else if (value !== false && value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
}

/** A button that does not submit anything. */
export function button(label, onClick, attributes = {}) {
    const element = make("button", { type: "button", class: "editor-button", ...attributes }, label);
    element.addEventListener("click", onClick);
    return element;
}

/** Let the arrow keys move between the buttons of a list, and from its search box into it. */
export function moveByArrows(list, search) {
    const step = (event) => {
        const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!by) return;
        const all = [...list.querySelectorAll("button")];
        const next = all.indexOf(document.activeElement) + by;
        event.preventDefault();
        (next < 0 ? search : all[Math.min(next, all.length - 1)])?.focus();
    };
    list.addEventListener("keydown", step);
    search.addEventListener("keydown", step);
}
