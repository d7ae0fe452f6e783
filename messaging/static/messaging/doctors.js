// Find a doctor of the segment whose message to show.
import { byId, make, moveByArrows } from "./dom.js";
import { ask } from "./preview.js";

const WAIT = 250; // ms

/** `choose({doctor, counted})` is called with the one that was picked. */
export function findDoctors(url, values, choose) {
    const search = byId("editor-doctor");
    const list = byId("editor-doctors");
    let timer, asked;
    const pick = (doctor) => {
        list.replaceChildren();
        search.value = "";
        search.focus();
        choose({ doctor, counted: 1 });
    };
    const item = ({ doctor, name }) => {
        const each = make("button", { type: "button" }, name);
        each.addEventListener("click", () => pick(doctor));
        return make("li", {}, each);
    };
    const find = async () => {
        asked?.abort();
        if (!search.value.trim()) return list.replaceChildren();
        const mine = (asked = new AbortController());
        const form = values();
        form.set("term", search.value);
        try {
            const { doctors } = await ask(url, form, mine.signal);
            const none = make("li", { class: "editor-nothing" }, "Nobody in this segment is called so.");
            if (mine === asked) list.replaceChildren(...(doctors.length ? doctors.map(item) : [none]));
        } catch (error) {
            if (error.name !== "AbortError") list.replaceChildren(make("li", { class: "editor-nothing" }, error.message));
        }
    };
    search.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(find, WAIT);
    });
    moveByArrows(list, search);
}
