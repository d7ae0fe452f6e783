// The defaults as rows of variable and text. What is saved is the JSON in the field behind them.
import { button, make } from "./dom.js";

function read(field) {
    try {
        const found = JSON.parse(field.value || "{}");
        const isPairs = found && typeof found === "object" && !Array.isArray(found);
        return isPairs && Object.values(found).every((text) => typeof text === "string") ? found : null;
    } catch {
        return null;
    }
}

/** Put rows in place of the field; one that cannot be read stays as it is. `names()`: what may have a default. */
export function showDefaults(field, names, onChange) {
    const pairs = read(field);
    if (!pairs) return;
    const rows = make("div", { class: "editor-rows", id: field.id, tabindex: "-1" }); // what links to the field leads here
    field.removeAttribute("id");
    const write = () => {
        const kept = [...rows.querySelectorAll(".editor-row")].map((row) => [row.querySelector("select").value, row.querySelector("input").value]);
        field.value = JSON.stringify(Object.fromEntries(kept.filter(([name]) => name)));
        field.dispatchEvent(new Event("input", { bubbles: true }));
        onChange();
    };
    const row = (name = "", text = "") => {
        const known = names();
        const options = name && !known.includes(name) ? [name, ...known] : known;
        const select = make("select", { "aria-label": "Variable" }, make("option", { value: "" }, "Choose a variable"), ...options.map((each) => make("option", { value: each, selected: each === name }, each)));
        const input = make("input", { class: "editor-input", "aria-label": "Text that stands in", placeholder: "Text that stands in" });
        input.value = text;
        const made = make("div", { class: "editor-row" }, select, input);
        made.append(button("Remove", () => { made.remove(); write(); }));
        for (const part of [select, input]) part.addEventListener("input", (event) => { event.stopPropagation(); write(); });
        return made;
    };
    const add = button("Add a default", () => {
        const fresh = row();
        rows.insertBefore(fresh, add);
        fresh.querySelector("select").focus();
    });
    rows.append(...Object.entries(pairs).map(([name, text]) => row(name, text)), add);
    field.hidden = true;
    field.after(rows);
}
